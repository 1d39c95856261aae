internal import Tandem

/// The statistics of hubs as metrics. They are read only when metrics are fetched, so they cost nothing in between.
enum HubMetrics {
    /// Returns the families for hubs, each given by its name and its statistics; nil statistics for a hub that did not answer in
    /// time.
    static func families(_ hubs: [(hub: String, statistics: HubStatistics?)]) -> [MetricFamily] {
        let answers = hubs.compactMap { hub, statistics in statistics.map { (MetricLabels([("hub", hub)]), $0) } }
        func family(_ description: MetricDescription, _ kind: MetricKind, _ value: (HubStatistics) -> MetricValue) -> MetricFamily
        {
            MetricFamily(
                description: description, kind: kind,
                samples: answers.map { MetricSample(labels: $0.0, value: value($0.1)) })
        }
        func gauge(_ name: String, _ help: String, _ path: KeyPath<HubStatistics, Int>) -> MetricFamily {
            family(MetricDescription(name: name, help: help), .gauge) { .number(Double($0[keyPath: path])) }
        }
        func counter(_ name: String, _ help: String, _ path: KeyPath<HubStatistics, UInt64>) -> MetricFamily {
            family(MetricDescription(name: name, help: help), .counter) { .number(Double($0[keyPath: path])) }
        }
        return [
            MetricFamily(
                description: MetricDescription(
                    name: "tandem_hub_responding", help: "1 when the hub answered in time; 0 while code holds it."),
                kind: .gauge,
                samples: hubs.map {
                    MetricSample(labels: MetricLabels([("hub", $0.hub)]), value: .number($0.statistics == nil ? 0 : 1))
                }),
            gauge("tandem_hub_green_threads", "Green threads alive: stacks that are lent out.", \.greenThreads),
            gauge(
                "tandem_hub_green_threads_high_water", "The most green threads that ever were alive at once.",
                \.greenThreadsHighWater),
            gauge("tandem_hub_stacks_mapped", "Stacks that the hub has mapped, lent out or not.", \.stacksMapped),
            gauge("tandem_hub_tasks", "Tasks alive that the hub has started itself.", \.tasks),
            gauge("tandem_hub_waits", "Calls that wait for anything, in either style.", \.waits),
            gauge("tandem_hub_timers", "Deadlines that are armed.", \.timers),
            gauge("tandem_hub_descriptors", "Descriptors that are registered.", \.descriptors),
            counter("tandem_hub_turns", "Turns of the loop.", \.turns),
            counter("tandem_hub_jobs", "Jobs run.", \.jobs),
            counter("tandem_hub_parks", "Times a green thread was parked.", \.parks),
            counter("tandem_hub_switches", "Times a green stack was switched to, and back.", \.switches),
            counter("tandem_hub_stalls", "Times the watchdog saw the hub held for longer than its threshold.", \.stalls),
            bridges(answers),
            family(
                MetricDescription(
                    name: "tandem_hub_loop_delay_seconds", unit: "seconds",
                    help: "How long turns of the loop took: for so long, what had become ready had to wait."), .histogram
            ) { delays($0.loopDelays) },
        ]
    }

    private static func bridges(_ answers: [(MetricLabels, HubStatistics)]) -> MetricFamily {
        MetricFamily(
            description: MetricDescription(
                name: "tandem_hub_bridges", help: "Calls from one style into the other, by the style that was called."),
            kind: .counter,
            samples: answers.flatMap { labels, statistics in
                [
                    MetricSample(
                        labels: MetricLabels(labels, adding: ("to", "blocking")),
                        value: .number(Double(statistics.bridgesToBlocking))),
                    MetricSample(
                        labels: MetricLabels(labels, adding: ("to", "async")), value: .number(Double(statistics.bridgesToAsync))),
                ]
            })
    }

    /// Returns a histogram whose bounds go from 2^10 ns (about 1 µs) to 2^34 ns (about 17 s) in factors of four.
    private static func delays(_ delays: LoopDelays) -> MetricValue {
        var (bounds, counts): ([Double], [UInt64]) = ([], [0])
        for (index, number) in delays.counts.enumerated() {
            counts[counts.count - 1] += number
            guard index.isMultiple(of: 2), 10...34 ~= index else { continue }
            bounds.append(Double(1 << index) * 1e-9)
            counts.append(0)
        }
        return .histogram(bounds: bounds, counts: counts, sum: delays.total / .seconds(1))
    }
}
