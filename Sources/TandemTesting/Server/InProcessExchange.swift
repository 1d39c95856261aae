internal import HTTPTypes
internal import Logging
internal import TandemHTTP

/// One request to a router without a server. On the hub of its client.
struct InProcessExchange {
    let answers: RouterAnswers
    let log: TestLog

    /// Returns the response as a server would send it. Throws `TestClientError` when a streamed body fails after it has begun.
    func response(
        to method: HTTPRequest.Method, _ path: String, _ headers: HTTPFields, _ body: TestBody?
    ) async throws -> TestResponse {
        var headers = headers
        if case .chunks = body, headers[.transferEncoding] == nil { headers[.transferEncoding] = "chunked" }
        let request = Request(method: method, path: path, headers: headers, body: body?.content ?? [])
        var response = TestResponse(status: .ok)
        do {
            var answer = try await answers.answer(request)
            var (bytes, failure) = await answers.collectBody(of: answer, to: method)
            if let failure {
                guard bytes.isEmpty else {
                    record("streamed answer cut short", failure, path)
                    throw TestClientError(.cutShort, "the handler failed in the middle of a response's body: \(failure)")
                }
                answer = answers.answer(to: failure)
                record(answer.status, failure, path)
                (bytes, _) = await answers.collectBody(of: answer, to: method)
            }
            fill(&response, answer, bytes)
        } catch let error as TestClientError {
            var error = error
            error.errors = log.claimErrors(of: path)
            throw error
        } catch {
            if error is CancellationError { throw error }
            let answer = answers.answer(to: error)
            record(answer.status, error, path)
            fill(&response, answer, await answers.collectBody(of: answer, to: method).bytes)
        }
        response.errors = log.claimErrors(of: path)
        return response
    }

    /// Logs an error as a server does: a handler has chosen any status other than 500 on purpose.
    private func record(_ status: HTTPResponse.Status, _ error: any Error, _ path: String) {
        if status == .internalServerError { record("handler threw", error, path) }
    }

    private func record(_ message: Logger.Message, _ error: any Error, _ path: String) {
        log.logger.error(message, metadata: ["error": "\(error)", "http.target": "\(path)"])
    }

    private func fill(_ response: inout TestResponse, _ answer: Response, _ bytes: [UInt8]) {
        response.status = answer.status
        response.headers = answer.headers
        response.body = bytes
        guard ![204, 304].contains(answer.status.code) else { return }
        if let length = answer.bodyLength {
            response.headers[.contentLength] = "\(length)"
        } else {
            response.headers[.transferEncoding] = "chunked"
        }
    }
}
