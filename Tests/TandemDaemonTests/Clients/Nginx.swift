import Foundation

/// Debian's nginx as a reverse proxy that listens on a unix socket in a separate directory.
final class Nginx {
    let socket: String
    private let directory: URL
    private let program: Program

    /// Starts nginx with these ports of the loopback address as upstreams, and returns when it listens.
    init(before ports: [Int], buffering: Bool = false) async throws {
        directory = FileManager.default.temporaryDirectory.appending(path: "nginx-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        socket = directory.appending(path: "http.sock").path()
        let file = directory.appending(path: "nginx.conf")
        let text = Nginx.configuration(socket, ports, isBuffering: buffering)
        try text.write(to: file, atomically: true, encoding: .utf8)
        program = try Program("nginx", ["-p", directory.path(), "-e", "stderr", "-c", file.path()])
        while !FileManager.default.fileExists(atPath: socket) {
            guard program.isRunning else { throw Program.NotThere(description: "nginx has not started: \(program.errors)") }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    deinit { try? FileManager.default.removeItem(at: directory) }

    /// The text that nginx has written to standard error.
    var errors: String { program.errors }

    /// Stops nginx, and waits until it has ended.
    func stop() async throws {
        program.send(SIGTERM)
        _ = try await program.wait()
    }

    // One process in the foreground, so that it is a direct child of the tests, and needs no rights of another user.
    private static func configuration(_ socket: String, _ ports: [Int], isBuffering: Bool) -> String {
        """
        daemon off;
        master_process off;
        pid nginx.pid;
        events { worker_connections 1024; }
        http {
            access_log off;
            client_body_temp_path body;
            proxy_temp_path proxy;
            fastcgi_temp_path fastcgi;
            uwsgi_temp_path uwsgi;
            scgi_temp_path scgi;
            client_max_body_size 0;
            upstream tandem {
                \(ports.map { "server 127.0.0.1:\($0);" }.joined(separator: " "))
                keepalive 16;
            }
            server {
                listen unix:\(socket);
                location / {
                    proxy_pass http://tandem;
                    proxy_http_version 1.1;
                    proxy_set_header Connection "";
                    proxy_buffering \(isBuffering ? "on" : "off");
                    proxy_request_buffering \(isBuffering ? "on" : "off");
                }
            }
        }
        """
    }
}
