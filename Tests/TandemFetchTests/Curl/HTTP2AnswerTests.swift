import Glibc
import HTTPTypes
import Tandem
import TandemFetch
import Testing

/// An HTTP/2 exchange ends with its response or its connection, even while its upload is stalled.
@Suite(.serialized, .timeLimit(.minutes(1)), .enabled(if: NginxUpstream.isInstalled, "scripts/setup nginx installs it"))
struct HTTP2AnswerTests {
    /// The bound for "at once" on a busy machine.
    private static let soon = Duration.seconds(3)

    private var client: FetchClient {
        var configuration = FetchConfiguration()
        configuration.httpVersion = .http2
        configuration.certificateAuthorities = Upstream.certificate
        configuration.timeout = .seconds(8)
        return FetchClient(configuration: configuration)
    }

    /// A body that produces 1,000 bytes and then stalls. Counts its end in `unwound`.
    private func stalled(_ begun: Event<Void>, _ unwound: Counter) -> FetchBody {
        FetchBody(streaming: { writer in
            defer { unwound.value += 1 }
            begun.send(())
            try await writer.write([UInt8](repeating: 0x78, count: 1000))
            try await sleep(for: .seconds(600))
        })
    }

    @Test(arguments: Style.allCases, [("/ok", 200), ("/no", 413)])
    func `a response ends an exchange whose upload is stalled`(_ style: Style, _ answer: (path: String, status: Int))
        async throws
    {
        let upstream = try await NginxUpstream()
        try await onHub { hub in
            let (begun, unwound) = (Event<Void>(), Counter())
            let request = FetchRequest(url: upstream.url(answer.path), method: .post, body: stalled(begun, unwound))
            let start = hub.now
            let response = try await style.execute(client, request)
            #expect(response.status.code == answer.status && response.text == "fin")
            #expect(hub.now - start < Self.soon && FetchStatistics(of: hub).transfers == 0)
            #expect(unwound.value == (begun.outcome == nil ? 0 : 1))
        }
    }

    @Test(arguments: Style.allCases)
    func `an upstream that disconnects during a stalled upload is noticed at once`(_ style: Style) async throws {
        let upstream = try await NginxUpstream()
        try await onHub { hub in
            let (begun, unwound, done) = (Event<Void>(), Counter(), Event<FetchResponse>())
            let request = FetchRequest(url: upstream.url("/reads"), method: .post, body: stalled(begun, unwound))
            _ = style.start(hub, client, request, done: done)
            try await begun.wait()
            try await sleep(for: .milliseconds(50))
            upstream.kill()
            let start = hub.now
            let error = try await fetchError { try await done.wait() }
            #expect(error?.code == .transfer, "\(String(describing: error))")
            #expect(hub.now - start < Self.soon && unwound.value == 1)
        }
    }

    @Test(arguments: Style.allCases)
    func `a session whose upstream has disconnected is replaced`(_ style: Style) async throws {
        let upstream = try await NginxUpstream()
        try await onHub { _ in
            for _ in 0..<3 {
                let text = try await style.get(client, upstream.url("/ok")).text
                #expect(text == "fin")
                upstream.kill()
                try await upstream.start()
            }
        }
    }
}

/// nginx with HTTP/2, a process that lives as long as this value. `/ok` and `/no` respond before they read a body, `/reads` reads
/// it first.
final class NginxUpstream: @unchecked Sendable {
    static let isInstalled = access("/usr/sbin/nginx", X_OK) == 0

    let port: Int
    private let directory: String
    // Used by one test at a time.
    private var process: pid_t = 0

    init() async throws {
        port = unusedPort()
        var template = Array("/tmp/tandem-nginx-XXXXXX".utf8CString)
        directory = String(cString: mkdtemp(&template))
        let configuration = """
            daemon off; master_process off; pid \(directory)/pid; error_log \(directory)/errors;
            events {}
            http {
              access_log off; client_body_temp_path \(directory)/bodies; proxy_temp_path \(directory)/proxy;
              fastcgi_temp_path \(directory)/fastcgi; uwsgi_temp_path \(directory)/uwsgi; scgi_temp_path \(directory)/scgi;
              server {
                listen 127.0.0.1:\(port) ssl http2; ssl_certificate \(Upstream.certificate);
                ssl_certificate_key \(Upstream.certificate); default_type text/plain;
                location /ok { return 200 "fin"; }
                location /no { return 413 "fin"; }
                location /reads { proxy_pass http://127.0.0.1:1; }
              }
            }
            """
        let file = open(directory + "/conf", O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
        let text = Array(configuration.utf8)
        precondition(write(file, text, text.count) == text.count)
        close(file)
        try await start()
    }

    /// Starts nginx, and waits until it listens.
    func start() async throws {
        let words: [String] = ["nginx", "-e", "\(directory)/errors", "-c", "\(directory)/conf"]
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        precondition(posix_spawn(&process, "/usr/sbin/nginx", nil, nil, &arguments, environ) == 0)
        for argument in arguments { free(argument) }
        try await until { isListening(on: port) }
    }

    /// Kills nginx with all its connections.
    func kill() {
        guard process > 0 else { return }
        Glibc.kill(process, SIGKILL)
        waitpid(process, nil, 0)
        process = 0
    }

    deinit {
        kill()
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("rm"), strdup("-rf"), strdup(directory), nil]
        var remover: pid_t = 0
        if posix_spawnp(&remover, "rm", nil, nil, &arguments, environ) == 0 { waitpid(remover, nil, 0) }
        for argument in arguments { free(argument) }
    }

    func url(_ path: String) -> String { "https://127.0.0.1:\(port)\(path)" }
}
