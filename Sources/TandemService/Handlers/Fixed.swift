internal import TandemHTTP

/// Answers that are always the same, made once.
enum Fixed {
    static let plaintext = Response(text: "Hello, World!")
    static let json = Response(["message": "Hello, World!"])
    static let ok = Response(text: "ok")
}
