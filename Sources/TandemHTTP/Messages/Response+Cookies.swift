internal import HTTPTypes
internal import HTTPWire

extension Response {
    /// Sets a cookie: adds a `Set-Cookie` field. Each cookie has a separate field; when two have the same name, path and
    /// domain, browsers keep the last.
    ///
    /// Throws `CookieError` when a browser would not store the cookie. What a client sent can be passed as a name or a value:
    /// nothing in it can add an attribute or a field.
    public mutating func setCookie(_ cookie: Cookie) throws(CookieError) {
        headers.append(HTTPField(name: .setCookie, value: try cookie.setCookieValue()))
    }

    /// Tells the client to delete a cookie. Path, domain and `isSecure` must be those that the cookie was set with.
    ///
    ///     try response.deleteCookie("__Host-session")
    public mutating func deleteCookie(
        _ name: String, path: String? = "/", domain: String? = nil, isSecure: Bool = true
    ) throws(CookieError) {
        let past = HTTPDate(unixSeconds: 0)
        try setCookie(Cookie(name, "", path: path, domain: domain, expires: past, isSecure: isSecure))
    }
}
