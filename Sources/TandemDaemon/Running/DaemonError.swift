internal import Glibc
internal import Tandem
internal import TandemHTTP

/// An error that prevents the daemon from running, or that makes one of its commands fail. The command line prints it.
struct DaemonError: Error, CustomStringConvertible {
    /// One or two sentences about the error, its place and the remedy.
    let description: String

    init(_ description: String) { self.description = description }

    /// Explains an error that kept the daemon from starting. The remedies name the keys, options and variables of `schema`.
    init(cannotStart error: any Error, _ schema: SettingsSchema) {
        let message = "\(error)"
        let isAddress = (error as? TandemError)?.code == .cannotListen
        let remedy: String? =
            switch (error as? TandemError)?.errno {
            case EMFILE, ENFILE:
                "There are no descriptors left: raise the limit (LimitNOFILE=, ulimit -n), or lower the key http.hubs."
            case EAGAIN, ENOMEM:
                "The machine gives no more threads or memory: raise the limit (TasksMax=, MemoryMax=), or lower the key http.hubs."
            case EADDRINUSE where isAddress:
                """
                Another process has that address: stop it, or choose another by the key \(schema.names(of: "http.port")) or \
                http.listen.
                """
            case EACCES where isAddress:
                """
                That address needs privileges: choose a port above 1023 by the key \(schema.names(of: "http.port")) or \
                http.listen.
                """
            case EADDRNOTAVAIL where isAddress:
                """
                This machine has no such address: choose another by the key \(schema.names(of: "http.host")) or http.listen.
                """
            case _ where isAddress: "The address comes from the keys http.host and http.port, or http.listen."
            case _ where error is TLSError: "The files come from the keys under tls."
            default: nil
            }
        let explained = remedy.map { message + (message.hasSuffix(".") ? " " : ". ") + $0 } ?? message
        self.init(isAddress ? explained : "cannot start: \(explained)")
    }
}

extension SettingsSchema {
    /// Returns a key with its option and its variable: `http.port (--port, SHOP_HTTP_PORT)`.
    fileprivate func names(of key: String) -> String {
        guard let setting = self[key] else { return key }
        return "\(key) (\(setting.flag.map { "\($0), " } ?? "")\(variable(of: setting)))"
    }
}
