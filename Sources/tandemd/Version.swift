internal import ArgumentParser
internal import TandemService

/// `tandemd version`
struct Version: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print the version.")

    func run() { print("tandemd \(tandemVersion)") }
}
