internal import Glibc
public import RegistryModel

/// The command line: `[--green | --pool] [--rounds N] URL PACKAGE...`.
public struct Arguments: Sendable {
    private var flags: Set<String> = []
    private var operands: [String] = []
    /// How often `watch` asks.
    private(set) var rounds = 2

    /// Reads the arguments of the process. Ends it with a message if there is no URL.
    public init() {
        var words = CommandLine.arguments.dropFirst()
        while let word = words.popFirst() {
            if word == "--rounds" {
                rounds = words.popFirst().flatMap { Int($0) } ?? rounds
            } else if word.hasPrefix("--") {
                flags.insert(word)
            } else {
                operands.append(word)
            }
        }
        guard operands.isEmpty else { return }
        print("usage: \(CommandLine.arguments[0]) [--green | --pool] [--rounds N] URL PACKAGE...")
        exit(64)
    }

    /// The configuration for the registry at the URL.
    public static var configuration: RegistryConfiguration { RegistryConfiguration(url: Arguments().operands[0]) }

    func has(_ flag: String) -> Bool { flags.contains(flag) }

    var packages: [String] { Array(operands.dropFirst()) }
}
