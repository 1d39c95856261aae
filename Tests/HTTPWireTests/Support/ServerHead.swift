import Testing

/// A response head as sent by a common server.
struct ServerHead: CustomTestStringConvertible, Sendable {
    let server: String
    let text: String

    var testDescription: String { server }

    private init(_ server: String, _ lines: String...) {
        self.server = server
        text = lines.map { $0 + "\r\n" }.joined() + "\r\n"
    }

    static let all = [
        ServerHead(
            "nginx", "HTTP/1.1 200 OK", "Server: nginx/1.22.1", "Date: Fri, 28 Nov 2025 23:00:00 GMT",
            "Content-Type: application/octet-stream", "Content-Length: 1024", "Last-Modified: Fri, 28 Nov 2025 22:00:00 GMT",
            "Connection: keep-alive", #"ETag: "6928f3a1-400""#, "Accept-Ranges: bytes"),
        ServerHead(
            "nginx, compressed", "HTTP/1.1 200 OK", "Server: nginx", "Date: Fri, 28 Nov 2025 23:00:00 GMT",
            "Content-Type: text/html; charset=utf-8", "Transfer-Encoding: chunked", "Connection: close", "Vary: Accept-Encoding",
            "Content-Encoding: gzip"),
        ServerHead(
            "nginx, redirect", "HTTP/1.1 301 Moved Permanently", "Server: nginx", "Content-Length: 169",
            "Location: https://www.example.org/a%20b?c=d", "Connection: keep-alive"),
        ServerHead(
            "Apache", "HTTP/1.1 404 Not Found", "Date: Fri, 28 Nov 2025 23:00:00 GMT", "Server: Apache/2.4.57 (Debian)",
            "Content-Length: 271", "Keep-Alive: timeout=5, max=100", "Connection: Keep-Alive",
            "Content-Type: text/html; charset=iso-8859-1"),
        ServerHead("Go", "HTTP/1.1 200 OK", "Date: Fri, 28 Nov 2025 23:00:00 GMT", "Content-Length: 0"),
        ServerHead(
            "Node", "HTTP/1.1 503 Service Unavailable", "retry-after: 120", "content-type: application/json",
            "date: Fri, 28 Nov 2025 23:00:00 GMT", "connection: keep-alive", "keep-alive: timeout=5",
            "transfer-encoding: chunked"),
        ServerHead("Node, without a reason", "HTTP/1.1 200", "content-length: 2"),
        ServerHead("an interim response", "HTTP/1.1 100 Continue"),
        ServerHead("early hints", "HTTP/1.1 103 Early Hints", "Link: </style.css>; rel=preload; as=style"),
        ServerHead("no content", "HTTP/1.1 204 No Content", "Server: Tandem", "Date: Fri, 28 Nov 2025 23:00:00 GMT"),
        ServerHead("not modified", "HTTP/1.1 304 Not Modified", #"ETag: "a""#, "Content-Length: 1024"),
        ServerHead("until the connection closes", "HTTP/1.1 200 OK", "Content-Type: text/plain"),
        ServerHead(
            "an API behind a proxy", "HTTP/1.1 200 OK", "Date: Fri, 28 Nov 2025 23:00:00 GMT",
            "Content-Type: application/json; charset=utf-8", "Content-Length: 5421", "Connection: keep-alive",
            "Cache-Control: private, max-age=60, s-maxage=60", "Vary: Accept, Authorization, Cookie, Accept-Encoding",
            #"ETag: W/"0123456789abcdef""#, "X-RateLimit-Limit: 5000", "X-RateLimit-Remaining: 4999",
            "Strict-Transport-Security: max-age=31536000; includeSubdomains; preload", "X-Frame-Options: deny",
            "X-Content-Type-Options: nosniff", "X-XSS-Protection: 0", "Referrer-Policy: origin-when-cross-origin",
            "Content-Security-Policy: default-src 'none'", "Access-Control-Allow-Origin: *",
            "Access-Control-Expose-Headers: ETag, Link, Location, Retry-After", "Set-Cookie: a=b; Path=/; Secure; HttpOnly",
            "Set-Cookie: c=d; Path=/; Expires=Sat, 29 Nov 2025 23:00:00 GMT", "X-Request-Id: 6928f3a1-400", "Via: 1.1 varnish",
            "X-Served-By: cache-fra-1", "X-Cache: MISS", "X-Timer: S1764370800.0,VS0,VE12", "Age: 0"),
    ]

    /// Heads that are correct but unusual.
    static let unusual = [
        ServerHead("HTTP/1.0", "HTTP/1.0 200 OK", "Content-Length: 5", "Connection: keep-alive"),
        ServerHead("two lengths", "HTTP/1.1 200 OK", "Content-Length: 5", "Content-Length: 5"),
        ServerHead("a list of lengths", "HTTP/1.1 200 OK", "Content-Length: 5, 5"),
        ServerHead("folds", "HTTP/1.1 200 OK", "X: a", " b", "\tc", "Content-Length: 5"),
        ServerHead("a tab", "HTTP/1.1 200 OK", "X: a\tb"),
        ServerHead("a tab in the reason", "HTTP/1.1 200 O\tK"),
        ServerHead("options of Connection", "HTTP/1.1 200 OK", "Connection: upgrade, close"),
        ServerHead("19 digits", "HTTP/1.1 200 OK", "Content-Length: 1000000000000000000"),
    ]
}
