// The partner as a program, for the measurement: partner-server PORT MILLISECONDS
import Partner

@main
struct PartnerServer {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst().compactMap { Int($0) }
        guard arguments.count == 2, let port = UInt16(exactly: arguments[0]) else {
            print("usage: partner-server PORT MILLISECONDS")
            return
        }
        let partner = try await Partner(port: port, wait: .milliseconds(arguments[1]))
        try await Task.sleep(for: .seconds(86_400))
        await partner.stop()
    }
}
