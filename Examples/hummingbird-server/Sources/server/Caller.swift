import HTTPTypes
import Hummingbird
import Tandem

/// The caller of a request, as a task-local value.
enum Caller {
    @TaskLocal static var name = "nobody"
}

/// Binds `Caller.name` to the header `X-Caller` while a request is handled.
struct CallerMiddleware: RouterMiddleware {
    func handle(
        _ request: Request, context: BasicRequestContext, next: (Request, BasicRequestContext) async throws -> Response
    ) async throws -> Response {
        guard let name = request.headers[.caller] else { return try await next(request, context) }
        return try await Caller.$name.withValue(name) { try await next(request, context) }
    }
}

extension HTTPField.Name {
    static let caller = HTTPField.Name("X-Caller")!
}

/// Returns the caller's name, in async code.
func callerInAsyncCode() async -> String { Caller.name }

/// Returns the id of the calling OS thread.
func currentThread() -> Int { GreenThreadIdentity.osThread }
