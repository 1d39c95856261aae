import Testing

/// A head as sent by a common client or proxy.
struct ClientHead: CustomTestStringConvertible, Sendable {
    let client: String
    let text: String

    var testDescription: String { client }

    private init(_ client: String, _ lines: String...) {
        self.client = client
        text = lines.map { $0 + "\r\n" }.joined() + "\r\n"
    }

    static let all = [
        ClientHead("curl", "GET /async/plaintext HTTP/1.1", "Host: 127.0.0.1:45123", "User-Agent: curl/7.88.1", "Accept: */*"),
        ClientHead(
            "curl, upload", "POST /async/echo HTTP/1.1", "Host: localhost:8080", "User-Agent: curl/8.5.0", "Accept: */*",
            "Content-Length: 1024", "Content-Type: application/x-www-form-urlencoded"),
        ClientHead("curl, HEAD", "HEAD /a?b=c%20d HTTP/1.1", "Host: example.org", "User-Agent: curl/8.5.0", "Accept: */*"),
        ClientHead("wrk", "GET /blocking/sleep?ms=100 HTTP/1.1", "Host: 127.0.0.1:8080"),
        ClientHead(
            "Chrome", "GET /search?q=caf%C3%A9&lang=en HTTP/1.1", "Host: www.example.org", "Connection: keep-alive",
            "Cache-Control: max-age=0", #"sec-ch-ua: "Not_A Brand";v="8", "Chromium";v="120""#, "sec-ch-ua-mobile: ?0",
            #"sec-ch-ua-platform: "Linux""#, "Upgrade-Insecure-Requests: 1",
            "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
            "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
            "Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Fetch-User: ?1", "Sec-Fetch-Dest: document",
            "Accept-Encoding: gzip, deflate, br", "Accept-Language: en-US,en;q=0.9",
            "Cookie: session=" + String(repeating: "0123456789abcdef", count: 40) + "; theme=dark"),
        ClientHead(
            "Firefox", "PUT /documents/a(1)~b,c;d=e HTTP/1.1", "Host: localhost:8080",
            "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0", "Accept: */*",
            "Accept-Language: en-US,en;q=0.5", "Accept-Encoding: gzip, deflate, br", "Referer: http://localhost:8080/",
            "Content-Type: application/json", "Content-Length: 17", "Origin: http://localhost:8080", "Connection: keep-alive"),
        ClientHead(
            "nginx as proxy, HTTP/1.0", "GET /app/ HTTP/1.0", "Host: backend", "X-Real-IP: 192.0.2.7",
            "X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https", "Connection: close", "User-Agent: curl/8.5.0"),
        ClientHead(
            "nginx as proxy, HTTP/1.1", "POST /app/upload HTTP/1.1", "X-Forwarded-For: 192.0.2.7", "Host: backend_pool",
            "Transfer-Encoding: chunked", "User-Agent: curl/8.5.0", "Accept: */*"),
        ClientHead(
            "requests", "PATCH /items/7 HTTP/1.1", "Host: api.example.org", "User-Agent: python-requests/2.31.0",
            "Accept-Encoding: gzip, deflate", "Accept: */*", "Connection: keep-alive", "Content-Length: 2",
            "Content-Type: application/json"),
        ClientHead(
            "aiohttp", "DELETE /items/7 HTTP/1.1", "Host: 127.0.0.1:8080", "Accept: */*", "Accept-Encoding: gzip, deflate",
            "User-Agent: Python/3.11 aiohttp/3.9.1"),
        ClientHead(
            "Go", "GET /metrics HTTP/1.1", "Host: 10.0.0.7:9100", "User-Agent: Go-http-client/1.1", "Accept-Encoding: gzip"),
        ClientHead(
            "ab", "GET / HTTP/1.0", "Connection: Keep-Alive", "Host: localhost", "User-Agent: ApacheBench/2.3", "Accept: */*"),
    ]
}
