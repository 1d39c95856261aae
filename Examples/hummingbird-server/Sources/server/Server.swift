// A server on Hummingbird whose handlers call blocking code: with a thread pool below /pool, by Tandem's bridge below /tandem.
import Foundation
import Hummingbird
import Logging
import NIOPosix
import Tandem
import TandemPatch

@main
struct Server {
    static func main() async throws {
        guard let options = Options(Array(CommandLine.arguments.dropFirst())) else {
            FileHandle.standardError.write(Data(Options.usage.utf8))
            exit(64)
        }
        // The C library calls connect(2) and recv(2): on a green thread they now wait on the hub.
        try TandemPatch.install()
        // With hubs as the global executor, handlers run on a hub, and a call of blocking code changes no thread.
        let hubs = try options.hubs > 0 ? takeOver(options.hubs) : nil
        let pool = options.pool > 0 ? NIOThreadPool(numberOfThreads: options.pool) : .singleton
        if options.pool > 0 { pool.start() }
        try await application(options, pool).runService()
        if options.pool > 0 { try await pool.shutdownGracefully() }
        await hubs?.shutdown()
    }

    /// Starts hubs that run all tasks of the process.
    private static func takeOver(_ count: Int) throws -> HubGroup {
        var configuration = HubConfiguration()
        configuration.takesOverGlobalExecutor = true
        return try HubGroup(count: count, configuration: configuration)
    }

    private static func application(_ options: Options, _ pool: NIOThreadPool) -> some ApplicationProtocol {
        let router = Router(context: BasicRequestContext.self)
        router.add(middleware: CallerMiddleware())
        let (rates, margins) = (OldRates(port: options.partner), Margins(port: options.partner))
        TandemRoutes(rates: rates, margins: margins).add(to: router)
        PoolRoutes(pool: pool, rates: rates, margins: margins, patience: options.patience).add(to: router)
        // No blocking code at all, to compare.
        router.get("/nothing") { _, _ in "0\n" }
        var logger = Logger(label: "server")
        logger.logLevel = .warning
        return Application(
            router: router, configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: options.port)),
            onServerRunning: { channel in
                print("listening on \(channel.localAddress?.port ?? 0)")
                fflush(nil)
            }, logger: logger)
    }
}
