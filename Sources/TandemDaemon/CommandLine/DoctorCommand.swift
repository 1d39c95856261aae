internal import ArgumentParser

/// `doctor`
struct DoctorCommand<Service: DaemonService>: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "doctor",
            abstract:
                "Check this machine and the configuration for what would hurt in production, with a remedy for each finding.",
            discussion: """
                Checks descriptors against the limits of the configuration, the exposure of the admin listener, the end of \
                certificates, cores and memory, and the features of the kernel. Run it as the daemon runs: as the same user, with the \
                same limits. The exit code is 0 without findings, 1 with findings, 78 for a wrong configuration.
                """)
    }

    @OptionGroup var options: ConfigurationOptions<Service>

    func run() throws {
        let findings = Doctor(try options.load(), machine: Machine()).findings()
        for finding in findings { print(finding) }
        let problems = findings.count { $0.remedy != nil }
        print(problems == 0 ? "no findings" : "\(problems) finding\(problems == 1 ? "" : "s")")
        if problems > 0 { throw ExitCode.failure }
    }
}
