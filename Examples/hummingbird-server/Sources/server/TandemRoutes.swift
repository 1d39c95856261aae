import Hummingbird
import Tandem

/// Handlers that call blocking code by `await blocking { }`: it runs on a green thread, and holds no OS thread while it waits.
struct TandemRoutes {
    let rates: OldRates
    let margins: Margins

    func add(to router: Router<BasicRequestContext>) {
        // One blocking call.
        router.get("/tandem/rates/:currency") { _, context in
            let currency = try context.parameters.require("currency")
            return "\(try await blocking { () throws(RateError) in try rates.rate(of: currency) })\n"
        }
        // The same; when the client leaves, Hummingbird cancels the task, and the call ends.
        router.get("/tandem/watched/:currency") { request, context in
            let currency = try context.parameters.require("currency")
            return try await request.body.consumeWithCancellationOnInboundClose { _ in
                "\(try await blocking { try rates.rate(of: currency) })\n"
            }
        }
        // The first of two answers; the group cancels the other call.
        router.get("/tandem/first/:currency") { _, context in
            let currency = try context.parameters.require("currency")
            return try await withThrowingTaskGroup { group in
                for _ in 1...2 { group.addTask { try await blocking { try rates.rate(of: currency) } } }
                let first = try await group.next()!
                group.cancelAll()
                return "\(first)\n"
            }
        }
        // Blocking code that calls async code.
        router.get("/tandem/quotes/:currency") { _, context in
            let currency = try context.parameters.require("currency")
            return try await blocking {
                let rate = try rates.rate(of: currency)
                let margin = try awaiting { try await margins.margin(of: currency) }
                return "\(rate + margin)\n"
            }
        }
        // Blocking code that waits for other blocking code.
        router.get("/tandem/nested/:currency") { _, context in
            let currency = try context.parameters.require("currency")
            return try await blocking {
                let rate = try rates.rate(of: currency)
                let work = spawn { try rates.rate(of: currency) }
                return "\(rate + (try work.wait()))\n"
            }
        }
        // What crosses the bridges.
        router.get("/tandem/caller") { _, _ in
            try await blocking {
                let below = try awaiting { await callerInAsyncCode() }
                return "\(Caller.name) \(below)\n"
            }
        }
        // The OS threads of the handler, of the blocking code, and of the handler again.
        router.get("/tandem/threads") { _, _ in
            let before = currentThread()
            let inside = await blocking { currentThread() }
            return "\(before) \(inside) \(currentThread())\n"
        }
        // The bridge alone.
        router.get("/tandem/nothing") { _, _ in await blocking { "0\n" } }
    }
}
