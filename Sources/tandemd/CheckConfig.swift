internal import ArgumentParser
internal import Glibc
internal import TandemService

/// `tandemd check-config`
struct CheckConfig: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check the configuration, and print what is in force and where each value comes from.",
        discussion: """
            Certificates and keys are read too. Ends with 78 when something is wrong. What it prints is itself a configuration file.
            """)

    @OptionGroup var options: ConfigurationOptions

    func run() throws {
        let loaded = try options.load()
        do {
            for warning in try loaded.checkFiles() { complain(warning) }
        } catch {
            complain("\(error)")
            throw ExitCode(EX_CONFIG)
        }
        print("# tandemd \(tandemVersion), \(loaded.file ?? "no configuration file")")
        print(loaded.yaml)
    }
}
