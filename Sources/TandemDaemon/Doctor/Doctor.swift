internal import Tandem
internal import TandemFetch
internal import TandemHTTP

/// The checks of the `doctor` command: they look for problems in the configuration and on this machine.
struct Doctor {
    /// The result of one check.
    struct Finding: Equatable, CustomStringConvertible {
        /// The subject of the check: "descriptors".
        let subject: String
        /// The result of the check.
        let message: String
        /// The remedy; nil if there is no problem.
        let remedy: String?

        /// A line with the result, and one with the remedy.
        var description: String {
            remedy.map { "finding  \(subject): \(message)\n         remedy: \($0)" } ?? "ok       \(subject): \(message)"
        }
    }

    private let configured: Configured
    private let machine: Machine
    private var values: DaemonConfiguration { configured.values }

    init(_ configured: Configured, machine: Machine) {
        self.configured = configured
        self.machine = machine
    }

    /// Returns the results of all checks. Reads the certificates.
    func findings() -> [Finding] {
        [kernel(), descriptors(), listenQueue(), cores(), memory(), mappings(), admin(), listening(), shutdown()] + certificates()
    }

    private func kernel() -> Finding {
        let (major, minor) = machine.kernel
        let version = "Linux \(major).\(minor)"
        guard (major, minor) >= (5, 11) else {
            return Finding(
                subject: "kernel", message: "\(version) is older than any that Tandem is tested on",
                remedy: "use Linux 5.11 or newer; Debian 12 has 6.1")
        }
        let guards = machine.hasLightGuards ? "" : ", without light guard pages (6.13): see memory mappings"
        return Finding(subject: "kernel", message: version + guards, remedy: nil)
    }

    /// A connection takes one descriptor, and its handler may open another.
    private func descriptors() -> Finding {
        let hubs = values.http.hubs
        let idle = min(values.fetch.client.maxIdlePerHub, 1_000_000) * hubs
        let needed = 2 * values.http.maxConnections + idle + 64
        guard machine.descriptorLimit >= needed else {
            let fitting = max(1, (machine.descriptorLimit - idle - 64) / 2)
            return Finding(
                subject: "descriptors",
                message: """
                    the limit is \(machine.descriptorLimit); http.max-connections \(values.http.maxConnections), a descriptor for \
                    each one's handler, and \(idle) idle connections to upstreams need \(needed)
                    """,
                remedy:
                    "set LimitNOFILE=\(needed) in the unit (or ulimit -n, or the container's), or http.max-connections: \(fitting)"
            )
        }
        return Finding(subject: "descriptors", message: "\(machine.descriptorLimit), and \(needed) are needed", remedy: nil)
    }

    private func listenQueue() -> Finding {
        let backlog = values.http.backlog
        guard let limit = machine.listenQueueLimit, limit < backlog else {
            return Finding(subject: "listen queue", message: "\(backlog) connections", remedy: nil)
        }
        return Finding(
            subject: "listen queue", message: "the kernel caps http.backlog \(backlog) at net.core.somaxconn, \(limit)",
            remedy: "sysctl net.core.somaxconn=\(backlog), or http.backlog: \(limit)")
    }

    private func cores() -> Finding {
        let hubs = values.http.hubs
        guard hubs > machine.cores else {
            return Finding(subject: "cores", message: "\(machine.cores) for \(hubs) hub\(hubs == 1 ? "" : "s")", remedy: nil)
        }
        return Finding(
            subject: "cores", message: "\(hubs) hubs share \(machine.cores) core\(machine.cores == 1 ? "" : "s")",
            remedy: "http.hubs: \(machine.cores), or more processors")
    }

    /// Checks the memory that the limits allow, at the cost of an idle connection and of a parked green thread.
    private func memory() -> Finding {
        let perConnection = values.tls.certificates.isEmpty ? 2 << 10 : 16 << 10
        let needed =
            (64 << 20) + values.http.maxConnections * perConnection + values.http.hubs * values.http.maxGreenThreads * (8 << 10)
        guard let memory = machine.memory, memory < needed else {
            return Finding(
                subject: "memory", message: "the limits allow \(needed >> 20) MiB, without what handlers keep", remedy: nil)
        }
        return Finding(
            subject: "memory",
            message: "the limits allow \(needed >> 20) MiB, without what handlers keep, and there are \(memory >> 20) MiB",
            remedy: "lower http.max-connections or http.max-green-threads, or give it more memory (MemoryMax=)")
    }

    /// Without light guards each stack splits a mapping in two.
    private func mappings() -> Finding {
        let stacks = values.http.hubs * values.http.maxGreenThreads
        guard !machine.hasLightGuards, let limit = machine.mappingLimit, 2 * stacks + 1_000 > limit else {
            return Finding(subject: "memory mappings", message: "enough for \(stacks) green threads", remedy: nil)
        }
        return Finding(
            subject: "memory mappings",
            message:
                "\(stacks) green threads need \(2 * stacks + 1_000) mappings on this kernel, and vm.max_map_count is \(limit)",
            remedy:
                "sysctl vm.max_map_count=\(2 * stacks + 1_000), or http.max-green-threads: \((limit - 1_000) / 2 / values.http.hubs)"
        )
    }

    private func admin() -> Finding {
        guard let address = values.adminListen else {
            return Finding(
                subject: "admin listener", message: "there is none: nothing is counted, and no probe sees a hub that is held",
                remedy: "admin.listen: \"127.0.0.1:8081\", or a unix socket")
        }
        guard values.exposedAdmin != nil, values.adminTokenFile == nil else {
            return Finding(subject: "admin listener", message: "\(address)", remedy: nil)
        }
        return Finding(
            subject: "admin listener",
            message: "\(address) can be reached from other machines without a token, and tells what the service is doing",
            remedy: """
                listen on 127.0.0.1 or a unix socket, set admin.token-file, or let only your monitoring reach it (a NetworkPolicy, a \
                firewall)
                """)
    }

    private func listening() -> Finding {
        let addresses = values.http.listenAddresses
        let exposed = addresses.filter { address in
            guard !address.isTLS, let host = address.host, let ip = IPAddress(host == "localhost" ? "127.0.0.1" : host) else {
                return false
            }
            return ip.scope != .loopback
        }
        let list = addresses.map(\.description).joined(separator: ", ")
        guard !exposed.isEmpty else { return Finding(subject: "addresses", message: list, remedy: nil) }
        return Finding(
            subject: "addresses",
            message: "\(exposed.map(\.description).joined(separator: ", ")) speaks HTTP without TLS to other machines",
            remedy: "fine behind a proxy in a network of your own; otherwise add tls: http.listen: [\"\(exposed[0]) tls\"]")
    }

    private func shutdown() -> Finding {
        let http = values.http
        let total = http.stopDelay + http.stopGrace + http.cleanupTimeout + Supervisor.margin
        let seconds = Int(total / .seconds(1))
        return Finding(
            subject: "stop",
            message: "takes at most \(seconds) s: TimeoutStopSec= or terminationGracePeriodSeconds must be longer",
            remedy: nil)
    }

    private func certificates() -> [Finding] {
        guard let tls = values.http.tls, !tls.certificates.isEmpty else { return [] }
        do throws(TLSError) {
            return try tls.certificateLifetimes().map { certificate, remaining in
                let subject = "certificate \(certificate.chain)"
                guard let remaining else {
                    return Finding(subject: subject, message: "its end cannot be read", remedy: "issue it again")
                }
                let days = Int(remaining / .seconds(86_400))
                guard remaining > .zero else {
                    return Finding(subject: subject, message: "has expired: clients refuse it", remedy: "renew it, then SIGHUP")
                }
                guard days >= 14 else {
                    return Finding(
                        subject: subject, message: "ends in \(days) day\(days == 1 ? "" : "s")", remedy: "renew it, then SIGHUP")
                }
                return Finding(subject: subject, message: "ends in \(days) days", remedy: nil)
            }
        } catch {
            return [Finding(subject: "certificates", message: "\(error)", remedy: "correct the keys under tls")]
        }
    }
}
