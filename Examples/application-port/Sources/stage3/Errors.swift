import Tandem
import TandemHTTP
import TandemJSON
import TicketModel

extension Router {
    /// Answers errors in JSON.
    func answerErrors() {
        use { request, next in
            do {
                return try await next(request)
            } catch let error as TicketError {
                return try Response(status: .init(code: error.status), json: Failure(error.message))
            } catch let error as HTTPError {
                return try Response(status: error.status, headers: error.headers, json: Failure(error.message))
            }
        }
    }

    /// Completes each request, as a thread did, although its client has left: old code knows no cancellation.
    func completeRequests() {
        use { request, next in try await withCancellationShield { try await next(request) } }
    }
}
