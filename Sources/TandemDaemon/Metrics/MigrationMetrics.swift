internal import TandemHTTP

/// The counts of migrating routes as metrics. The hubs count, and are asked only when metrics are fetched.
enum MigrationMetrics {
    /// Returns the families; none for a service without migrating routes.
    static func families(_ report: MigrationReport) -> [MetricFamily] {
        guard !report.routes.isEmpty else { return [] }
        func family(
            _ name: String, _ help: String, _ kind: MetricKind = .counter, unit: String? = nil,
            _ samples: (MigrationReport.Route) -> [MetricSample]
        ) -> MetricFamily {
            MetricFamily(
                description: MetricDescription(name: "tandem_migration_" + name, unit: unit, help: help), kind: kind,
                samples: report.routes.flatMap(samples))
        }
        return [
            family("share_ratio", "The share of requests that the new handler answers.", .gauge) { route in
                [sample(route, [], route.isRolledBack || !report.isEnabled ? 0 : route.migration.newShare / 100)]
            },
            family("requests", "Requests of migrating routes, by the handler that answered and what selected it.") { route in
                route.requests.flatMap { side, counts in
                    counts.map {
                        sample(
                            route,
                            [("handler", side.rawValue), ("style", style(of: side, route)), ("chosen_by", $0.key.rawValue)],
                            $0.value)
                    }
                }
            },
            family("comparisons", "Answers that were compared with a second run, by the run and the result.") { route in
                route.comparisons.flatMap { run, counts in
                    counts.map { sample(route, [("run", run.rawValue), ("result", $0.key.rawValue)], $0.value) }
                }
            },
            family("differences", "Compared answers that differ, by the run and the part.") { route in
                let runs: [(String, KeyPath<MigrationReport.PartReport, UInt64>)] = [
                    ("candidate", \.candidates), ("control", \.controls),
                ]
                return runs.flatMap { run, count in
                    AnswerDifference.Part.Kind.allCases.map { kind in
                        let parts = route.parts.filter { $0.part.kind == kind }
                        return sample(
                            route, [("run", run), ("part", kind.rawValue)], parts.reduce(0) { $0 + $1[keyPath: count] })
                    }
                }
            },
            family("skipped", "Sampled requests that were not compared, by reason.") { route in
                route.skipped.map { sample(route, [("reason", $0.key.rawValue)], $0.value) }
            },
            family(
                "duration_seconds", "How long runs of sampled requests took, by the run.", .histogram, unit: "seconds"
            ) { route in
                route.durations.map {
                    MetricSample(labels: labels(route, [("run", $0.key.rawValue)]), value: histogram($0.value))
                }
            },
            family("rollbacks", "Times the guard fell back to the old handler.") { route in
                [sample(route, [], UInt64(route.rollbacks))]
            },
        ]
    }

    private static func style(of side: MigrationReport.Side, _ route: MigrationReport.Route) -> String {
        (side == .old ? route.oldStyle : route.newStyle).rawValue
    }

    private static func labels(_ route: MigrationReport.Route, _ more: [(String, String)]) -> MetricLabels {
        MetricLabels([("http.route", route.path), ("http.request.method", route.method.rawValue)] + more)
    }

    private static func sample(_ route: MigrationReport.Route, _ more: [(String, String)], _ count: UInt64) -> MetricSample {
        sample(route, more, Double(count))
    }

    private static func sample(_ route: MigrationReport.Route, _ more: [(String, String)], _ value: Double) -> MetricSample {
        MetricSample(labels: labels(route, more), value: .number(value))
    }

    /// Returns a histogram whose bounds go from 2^14 ns (about 16 µs) to 2^34 ns (about 17 s) in factors of four.
    private static func histogram(_ durations: MigrationReport.Durations) -> MetricValue {
        var (bounds, counts): ([Double], [UInt64]) = ([], [0])
        for (index, number) in durations.counts.enumerated() {
            counts[counts.count - 1] += number
            guard index.isMultiple(of: 2), 14...34 ~= index else { continue }
            bounds.append(Double(1 << index) * 1e-9)
            counts.append(0)
        }
        return .histogram(bounds: bounds, counts: counts, sum: Double(durations.totalNanoseconds) * 1e-9)
    }
}
