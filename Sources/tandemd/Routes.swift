internal import ArgumentParser
internal import TandemService

/// `tandemd routes`
struct Routes: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print every endpoint: method, path and style.")

    func run() { print(Service(ServiceConfiguration()).routes, terminator: "") }
}
