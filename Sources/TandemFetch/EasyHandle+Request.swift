internal import CCurl
internal import HTTPTypes

extension EasyHandle {
    /// Sets every option for one request. Throws `unavailable` when one could not be set.
    ///
    /// - Parameter added: Fields that tracing adds.
    func prepare(
        _ request: FetchRequest, to url: TargetURL, _ configuration: FetchConfiguration, deadline: FetchDeadline,
        adding added: HTTPFields
    ) throws(FetchError) {
        keepErrorDetail()
        set(CURLOPT_CURLU, UnsafeRawPointer(url.handle))
        set(CURLOPT_TIMEOUT_MS, try deadline.milliseconds(url.origin))
        set(CURLOPT_CONNECTTIMEOUT_MS, deadline.connectMilliseconds)
        set(CURLOPT_PROTOCOLS_STR, "http,https")
        set(CURLOPT_PROXY, "")
        set(CURLOPT_NOSIGNAL, true)
        // A name that is still being looked up when the transfer ends would hold the hub until the answer came; with
        // this the resolver's thread is left to end by itself.
        set(CURLOPT_QUICK_EXIT, true)
        setVersion(configuration.httpVersion)
        if url.isSecure { setTLS(configuration) }
        setMethod(request)
        addFields(request, configuration, added)
        guard firstFailure == CURLE_OK else { throw FetchError(firstFailure, fetching: url.origin, detail: errorDetail) }
    }

    private func setVersion(_ version: FetchConfiguration.HTTPVersion) {
        guard version == .http2 else { return set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1)) }
        set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_2TLS))
        // Wait for a connection that is being made: it may be shared.
        set(CURLOPT_PIPEWAIT, true)
    }

    private func setTLS(_ configuration: FetchConfiguration) {
        set(
            CURLOPT_SSLVERSION,
            configuration.minimumTLSVersion == .tls13 ? Int(CURL_SSLVERSION_TLSv1_3) : Int(CURL_SSLVERSION_TLSv1_2))
        if !configuration.verifiesCertificates {
            set(CURLOPT_SSL_VERIFYPEER, false)
            set(CURLOPT_SSL_VERIFYHOST, 0)
        }
        if let file = configuration.certificateAuthorities {
            set(CURLOPT_CAINFO, file)
            set(CURLOPT_CAPATH, nil as UnsafeRawPointer?)
        }
        guard let certificate = configuration.clientCertificate else { return }
        set(CURLOPT_SSLCERT, certificate)
        set(CURLOPT_SSLKEY, configuration.clientKey ?? certificate)
    }

    private func setMethod(_ request: FetchRequest) {
        switch request.method {
        case .get where request.body == nil: return set(CURLOPT_HTTPGET, true)
        case .head: return set(CURLOPT_NOBODY, true)
        default: break
        }
        switch request.body?.content {
        case nil where request.sendsBody: set(body: [])
        case nil: break
        case .bytes(let bytes)?: set(body: bytes)
        case .stream?:
            set(CURLOPT_UPLOAD, true)
            set(CURLOPT_INFILESIZE_LARGE, offset: Int64(request.body?.contentLength ?? -1))
        }
        set(CURLOPT_CUSTOMREQUEST, request.method.rawValue)
    }

    private func set(body: [UInt8]) {
        set(CURLOPT_POST, true)
        set(CURLOPT_POSTFIELDSIZE_LARGE, offset: Int64(body.count))
        if body.isEmpty {
            set(CURLOPT_COPYPOSTFIELDS, "")
        } else {
            body.withUnsafeBytes { set(CURLOPT_COPYPOSTFIELDS, $0.baseAddress) }
        }
    }

    private func addFields(_ request: FetchRequest, _ configuration: FetchConfiguration, _ added: HTTPFields) {
        var line: [UInt8] = []
        for field in request.headers where added[field.name] == nil { add(field, &line) }
        for field in added { add(field, &line) }
        if let agent = configuration.userAgent, request.headers[.userAgent] == nil {
            add(HTTPField(name: .userAgent, value: agent), &line)
        }
        // A part of a coded body cannot be decoded.
        if configuration.decompresses, request.headers[.acceptEncoding] == nil, request.headers[.range] == nil {
            add(HTTPField(name: .acceptEncoding, value: Inflater.accepted), &line)
        }
        if request.sendsBody {
            // What libcurl would add by itself: a form's type, and a pause to ask whether the body is wanted.
            addField(request.expectsContinue ? "Expect: 100-continue" : "Expect:")
            if request.headers[.contentType] == nil { addField("Content-Type:") }
        }
        useFields()
    }

    /// `HTTPField` has no CR, LF or NUL in names or values, so that a line is one field and no more.
    private func add(_ field: HTTPField, _ line: inout [UInt8]) {
        line.removeAll(keepingCapacity: true)
        line.append(contentsOf: field.name.rawName.utf8)
        field.withUnsafeBytesOfValue { value in
            line.append(contentsOf: value.isEmpty ? ";".utf8 : ": ".utf8)
            line.append(contentsOf: value)
        }
        line.append(0)
        line.withUnsafeBytes { addField($0.baseAddress!.assumingMemoryBound(to: CChar.self)) }
    }
}
