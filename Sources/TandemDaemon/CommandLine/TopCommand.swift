internal import ArgumentParser
internal import Glibc
internal import TandemJSON

/// `top`
struct TopCommand<Service: DaemonService>: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "top",
            abstract: "Show what the running daemon does: what wants attention, its hubs and its busiest routes.",
            discussion: """
                The same numbers as the dashboard at /debug/ui of the admin listener. Control-C ends it. Without a terminal, one reading is \
                printed after another.
                """)
    }

    @OptionGroup var options: ConfigurationOptions<Service>

    @Option(name: .long, help: ArgumentHelp("The time between two readings: 1 to 5 seconds.", valueName: "seconds"))
    var every = 1

    @Flag(name: .long, help: "Print the rates of one interval, and end.")
    var once = false

    func validate() throws {
        guard 1...5 ~= every else { throw ValidationError("--every: expected 1 to 5") }
    }

    func run() throws {
        let configured = try options.load()
        do {
            let service = try RunningService(adminOf: configured)
            var before = try Self.read(service)
            repeat {
                sleep(UInt32(every))
                let now: TopScreen.Reading
                do { now = try Self.read(service) } catch  where !once {
                    // The daemon may restart.
                    print("\(error)")
                    fflush(nil)
                    continue
                }
                let height = Self.terminalHeight
                let limit = height.map { max(3, $0 - 10 - now.state.hubs.count - 2 * now.state.attention.count) }
                let text = TopScreen(before, now, routeLimit: limit ?? 20).text
                // To the top left, and clear the rest: no flicker.
                print(height == nil || once ? text : "\u{1b}[H\u{1b}[J\(text)", terminator: "")
                fflush(nil)
                before = now
            } while !once
        } catch {
            complain(Service.name, "\(error)")
            throw ExitCode.failure
        }
    }

    private static func read(_ service: RunningService) throws -> TopScreen.Reading {
        func get<Value: Decodable>(_ target: String) throws -> Value {
            try decodeJSON([UInt8](try service.get(target).utf8), as: Value.self)
        }
        return TopScreen.Reading(state: try get("/debug/state"), routes: try get("/debug/routes"))
    }

    /// The number of lines of the terminal; nil if standard output is not a terminal.
    private static var terminalHeight: Int? {
        var size = winsize()
        guard isatty(STDOUT_FILENO) == 1, ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0 else { return nil }
        return Int(size.ws_row)
    }
}
