internal import TandemHTTP

extension ServiceConfiguration {
    /// `http.tls`, whose keys stand by themselves in the file. Without certificates it is of no account.
    var tls: TLSConfiguration {
        get { http.tls ?? TLSConfiguration() }
        set { http.tls = newValue }
    }
}

extension TLSConfiguration.Certificate {
    /// Reads "chain.pem key.pem", or the name of one file that has both. nil for anything else.
    init?(_ text: String) {
        let words = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        guard (1...2).contains(words.count), words.allSatisfy({ !$0.isEmpty }) else { return nil }
        self.init(chain: words[0], key: words[words.count - 1])
    }

    /// As `init(_:)` reads it.
    var text: String { chain == key ? chain : "\(chain) \(key)" }
}
