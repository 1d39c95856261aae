internal import ArgumentParser
internal import TandemService

/// `tandemd routes`
struct Routes: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print every endpoint.")

    func run() {
        for route in Service(ServiceConfiguration()).routes { print(route) }
    }
}
