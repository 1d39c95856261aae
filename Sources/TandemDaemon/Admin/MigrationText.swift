internal import Tandem
internal import TandemHTTP

/// The state of migrating routes as JSON, for `/debug/migration`.
enum MigrationText {
    static func json(_ report: MigrationReport) -> JSON {
        [
            "enabled": .boolean(report.isEnabled), "inFlight": .integer(report.inFlight),
            "hubsWithoutAnswer": .integer(report.hubsWithoutAnswer), "routes": .array(report.routes.map(json)),
        ]
    }

    private static func json(_ route: MigrationReport.Route) -> JSON {
        [
            "method": .string(route.method.rawValue), "route": .string(route.path), "mode": .string("\(route.migration)"),
            "oldStyle": .string(route.oldStyle.rawValue), "newStyle": .string(route.newStyle.rawValue),
            "verdict": .string(route.verdict.rawValue), "rolledBack": .boolean(route.isRolledBack),
            "rollbacks": .integer(route.rollbacks),
            "requests": counts(route.requests), "comparisons": counts(route.comparisons), "skipped": counts(route.skipped),
            "parts": .array(
                route.parts.map { part in
                    [
                        "part": .string("\(part.part)"), "verdict": .string(part.verdict.rawValue),
                        "candidates": number(part.candidates), "controls": number(part.controls),
                        "samples": .array(part.samples.map { .string($0) }),
                    ]
                }),
            "ignored": .array(
                route.ignored.sorted { "\($0.key.part)" < "\($1.key.part)" }.map { ignored, count in
                    ["part": .string("\(ignored.part)"), "because": .string(ignored.reason), "count": number(count)]
                }),
            "durations": .object(
                MigrationReport.Run.allCases.compactMap { run in
                    route.durations[run].map { .init(name: run.rawValue, value: json($0)) }
                }),
        ]
    }

    private static func json(_ durations: MigrationReport.Durations) -> JSON {
        func microseconds(_ part: Double) -> JSON { .integer(Int(durations.quantile(part) / .microseconds(1))) }
        return ["count": number(durations.count), "p50Microseconds": microseconds(0.5), "p99Microseconds": microseconds(0.99)]
    }

    private static func counts<Key: RawRepresentable<String> & CaseIterable>(_ counts: [Key: UInt64]) -> JSON {
        .object(Key.allCases.compactMap { key in counts[key].map { .init(name: key.rawValue, value: number($0)) } })
    }

    private static func counts<Outer, Inner>(_ counts: [Outer: [Inner: UInt64]]) -> JSON
    where Outer: RawRepresentable<String> & CaseIterable, Inner: RawRepresentable<String> & CaseIterable {
        .object(Outer.allCases.compactMap { key in counts[key].map { .init(name: key.rawValue, value: self.counts($0)) } })
    }

    private static func number(_ count: UInt64) -> JSON { .integer(Int(clamping: count)) }
}
