import Foundation
import TicketModel

/// An error that is an answer.
struct HTTPError: Error {
    let status: Int
    let message: String
    let headers: [(String, String)]

    init(_ status: Int, _ message: String, headers: [(String, String)] = []) {
        self.status = status
        self.message = message
        self.headers = headers
    }
}

extension Router {
    /// Returns the answer of a handler, or the answer for its error in JSON.
    func respond(to request: Request) throws -> Response {
        do {
            return try find(request)
        } catch let error as TicketError {
            return try Response(status: error.status, json: Failure(error.message))
        } catch let error as HTTPError {
            return try Response(status: error.status, headers: error.headers, json: Failure(error.message))
        }
    }
}
