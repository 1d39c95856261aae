import Glibc
import Tandem
import TandemHTTP
import Testing

@testable import TandemDaemon

struct DaemonErrorTests {
    private func explain(_ code: TandemError.Code, _ errno: CInt) -> String {
        let greeter = SettingsSchema(name: "greeter", environmentPrefix: "GREETER", service: [])
        return DaemonError(cannotStart: TandemError(code, "no", errno: errno), greeter).description
    }

    @Test(arguments: [
        (EADDRINUSE, "Another process has that address", "http.port (--port, GREETER_HTTP_PORT) or http.listen."),
        (EACCES, "That address needs privileges", "http.port (--port, GREETER_HTTP_PORT) or http.listen."),
        (EADDRNOTAVAIL, "This machine has no such address", "http.host (--host, GREETER_HTTP_HOST) or http.listen."),
        (EINVAL, "The address comes from", "http.host and http.port, or http.listen."),
        (EMFILE, "There are no descriptors left", "http.hubs."),
    ])
    func `an address that cannot be listened on has a remedy with the service's own names`(
        errno: CInt, reason: String, remedy: String
    ) {
        let message = explain(.cannotListen, errno)
        #expect(message.hasPrefix("no. \(reason)") && message.hasSuffix(remedy), "\(message)")
    }

    @Test(arguments: [EADDRINUSE, EACCES, EADDRNOTAVAIL, EINVAL])
    func `other errors with the same errno get no remedy for addresses`(errno: CInt) {
        #expect(explain(.systemCall, errno) == "cannot start: no")
    }
}
