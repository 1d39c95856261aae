internal import COpenSSL
internal import HTTPTypes
internal import TandemHTTP

/// The dashboard's page: one document without assets, put together from the files in `Page`.
struct DashboardPage: Sendable {
    /// The answer to a request for the page.
    let response: Response

    init() {
        let (style, script) = (PackageResources.page_css, PackageResources.page_js)
        var page = String(decoding: PackageResources.page_html, as: UTF8.self)
        page.replace("<!-- style -->", with: "<style>\(String(decoding: style, as: UTF8.self))</style>", maxReplacements: 1)
        page.replace(
            "<!-- script -->", with: "<script>\(String(decoding: script, as: UTF8.self))</script>", maxReplacements: 1)
        response = Response(
            headers: [
                .contentType: "text/html; charset=utf-8", .cacheControl: "no-store",
                .contentSecurityPolicy: Self.policy(style: style, script: script),
                HTTPField.Name("Referrer-Policy")!: "no-referrer",
            ], body: [UInt8](page.utf8))
    }

    /// Allows this style and this script, and nothing else that a page could load or run.
    private static func policy(style: [UInt8], script: [UInt8]) -> String {
        [
            "default-src 'none'", "script-src 'sha256-\(hash(script))'", "style-src 'sha256-\(hash(style))'",
            "connect-src 'self'",
            "img-src data:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
        ].joined(separator: "; ")
    }

    /// Returns the SHA-256 of the bytes in base64.
    private static func hash(_ bytes: [UInt8]) -> String {
        let digest = sha256(bytes)
        // The encoded text and a zero byte: EVP_EncodeBlock(3).
        var text = [UInt8](repeating: 0, count: (digest.count + 2) / 3 * 4 + 1)
        let length = EVP_EncodeBlock(&text, digest, CInt(digest.count))
        return String(decoding: text[..<Int(length)], as: UTF8.self)
    }
}
