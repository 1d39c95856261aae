import Foundation

/// The program: a thread per connection.
@main
struct Tickets {
    static func main() {
        do {
            let settings = try Settings(ProcessInfo.processInfo.environment)
            let store = TicketStore(file: settings.databaseFile)
            let rates = Rates(url: settings.ratesURL, timeout: settings.ratesTimeout)
            let router = Router()
            Handlers(store: store, rates: rates).addRoutes(to: router)
            try Server(router: router).run(port: settings.port)
        } catch {
            FileHandle.standardError.write(Data("tickets: \(error)\n".utf8))
            exit(1)
        }
    }
}
