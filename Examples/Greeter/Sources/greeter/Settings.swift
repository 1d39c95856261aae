import TandemDaemon

extension Greeter {
    /// The keys of this service. After a change here run `swift run greeter settings > config/greeter.yaml`.
    static let settings: [Setting] = [
        .text(
            "greeting.salutation", default: "Hello", expecting: "a text of 1 to 40 characters",
            note: "The first word of a greeting.", effect: .nextRequest
        ) { 1...40 ~= $0.count },
        .integer(
            "guests.limit", default: 1_000, in: 1...1_000_000, unit: "guests",
            note: "Guests that the book remembers; a new one replaces the oldest. 1000 take about 100 KB."),
    ]
}
