import Hummingbird

/// What the handlers of both kinds throw. Hummingbird answers with its status.
enum RateError: Error, Equatable {
    /// The partner does not know the currency.
    case unknown(String)
    /// The partner cannot be reached; the value of errno, or 0 if the partner closed the connection.
    case unavailable(errno: CInt)
    /// Work on the thread pool waited in vain for other work on the same pool.
    case poolExhausted
}

extension RateError: HTTPResponseError {
    var status: HTTPResponse.Status {
        switch self {
        case .unknown: .notFound
        case .unavailable: .badGateway
        case .poolExhausted: .serviceUnavailable
        }
    }

    private var text: String {
        switch self {
        case .unknown(let currency): "unknown currency: \(currency)\n"
        case .unavailable(let errno): "the partner is unavailable: errno \(errno)\n"
        case .poolExhausted: "every thread of the pool waits for the pool\n"
        }
    }

    func response(from request: Request, context: some RequestContext) throws -> Response {
        Response(status: status, body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
