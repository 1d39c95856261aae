// swift-tools-version: 6.3
import PackageDescription

/// Every Swift target is compiled alike: Swift 6 mode, warnings are errors, and nothing is imported by accident.
let house: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

/// For targets that touch bytes but own no stacks, threads or C handles: each unsafe expression must say `unsafe`.
let memorySafe = house + [.strictMemorySafety()]

let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let metrics = Target.Dependency.product(name: "Metrics", package: "swift-metrics")
let tracing = Target.Dependency.product(name: "Tracing", package: "swift-distributed-tracing")
let inMemoryTracing = Target.Dependency.product(name: "InMemoryTracing", package: "swift-distributed-tracing")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")

/// What only the daemon needs: without the trait nobody resolves it.
let daemonOnly = TargetDependencyCondition.when(traits: ["Daemon"])
let configuration = Target.Dependency.product(name: "Configuration", package: "swift-configuration", condition: daemonOnly)
let yams = Target.Dependency.product(name: "Yams", package: "Yams", condition: daemonOnly)
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser", condition: daemonOnly)
let histogram = Target.Dependency.product(name: "Histogram", package: "hdrhistogram-swift", condition: daemonOnly)

let package = Package(
    name: "tandem",
    products: [
        .library(name: "Tandem", targets: ["Tandem"]),
        .library(name: "CTandem", targets: ["CTandem"]),
        .library(name: "HTTPWire", targets: ["HTTPWire"]),
        .library(name: "TandemTLS", targets: ["TandemTLS"]),
        .library(name: "TandemHTTP", targets: ["TandemHTTP"]),
        .library(name: "TandemJSON", targets: ["TandemJSON"]),
        .library(name: "TandemFetch", targets: ["TandemFetch"]),
        .library(name: "TandemPatch", targets: ["TandemPatch"]),
        .library(name: "TandemTesting", targets: ["TandemTesting"]),
        .library(name: "TandemDaemon", targets: ["TandemDaemon"]),
        .executable(name: "tandemd", targets: ["tandemd"]),
    ],
    traits: [
        .trait(
            name: "Daemon",
            description: "TandemDaemon and tandemd. Without it a package that uses the libraries does not resolve what they need."
        ),
        .default(enabledTraits: ["Daemon"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.3"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        // For tests only. swift-service-lifecycle needs it too, so nobody resolves it in vain.
        .package(url: "https://github.com/apple/swift-async-algorithms", from: "1.1.4"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0", traits: []),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        .target(name: "CTandem"),
        .target(name: "Tandem", dependencies: ["CTandem"], swiftSettings: house),
        .target(name: "CTandemPatch", dependencies: ["CTandem"]),
        .target(name: "TandemPatch", dependencies: ["Tandem", "CTandemPatch"], swiftSettings: house),
        .target(name: "CHTTPWire"),
        .target(name: "HTTPWire", dependencies: ["CHTTPWire", httpTypes], swiftSettings: memorySafe),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .target(name: "TandemTLS", dependencies: ["Tandem", "COpenSSL"], swiftSettings: house),
        .target(
            name: "TandemHTTP",
            dependencies: ["CTandem", "Tandem", "TandemTLS", "HTTPWire", httpTypes, logging, metrics, tracing, lifecycle],
            swiftSettings: house),
        .target(name: "TandemJSON", dependencies: ["HTTPWire", "TandemHTTP", "Tandem", httpTypes], swiftSettings: memorySafe),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .target(name: "CTandemCurl", dependencies: ["CCurl", "COpenSSL"]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(
            name: "TandemFetch",
            dependencies: ["Tandem", "HTTPWire", "CTandemCurl", "CCurl", "CZlib", httpTypes, metrics, tracing],
            swiftSettings: house),
        .target(
            name: "TandemTesting",
            dependencies: ["Tandem", "TandemTLS", "HTTPWire", "TandemHTTP", "COpenSSL", httpTypes, logging],
            swiftSettings: house),
        .target(
            name: "TandemDaemon",
            dependencies: [
                "CTandem", "COpenSSL", "Tandem", "TandemPatch", "HTTPWire", "TandemHTTP", "TandemJSON", "TandemFetch", logging,
                metrics, tracing, configuration, yams, argumentParser, histogram,
            ],
            resources: [.embedInCode("Dashboard/Page")],
            swiftSettings: house),
        .target(name: "CLegacyFetch", dependencies: ["CCurl"]),
        .executableTarget(
            name: "tandemd",
            dependencies: ["TandemDaemon", "Tandem", "TandemHTTP", "TandemFetch", "TandemJSON", "CLegacyFetch"],
            swiftSettings: house),
        .executableTarget(
            name: "hello", dependencies: ["Tandem", "TandemHTTP", "TandemFetch"], path: "Examples/Hello", swiftSettings: house),
        .executableTarget(name: "lines", dependencies: ["Tandem"], path: "Examples/Lines", swiftSettings: house),
        // Linked into tests only: it replaces malloc.
        .target(name: "AllocationCount", path: "Tests/Support/AllocationCount"),
        // Likewise: it stands before getaddrinfo.
        .target(name: "FakeResolver", path: "Tests/Support/FakeResolver"),
        // A program whose top level calls `awaiting`, which a test runs.
        .executableTarget(
            name: "TopLevel", dependencies: ["Tandem"], path: "Tests/Support/TopLevel", swiftSettings: house),
        // Programs that take over Swift's global executor.
        .executableTarget(
            name: "GlobalTasks", dependencies: ["Tandem", .product(name: "AsyncAlgorithms", package: "swift-async-algorithms")],
            path: "Tests/Support/GlobalTasks", swiftSettings: house),
        // Blocking clients on green threads, which a test runs: the process of the tests itself is not patched.
        .target(name: "LegacyCalls", path: "Tests/Support/LegacyCalls"),
        .executableTarget(
            name: "LegacyClients", dependencies: ["CTandem", "LegacyCalls", "Tandem", "TandemPatch"],
            path: "Tests/Support/LegacyClients",
            swiftSettings: house),
        .testTarget(name: "TandemPatchTests", swiftSettings: house),
        .testTarget(
            name: "TandemTests", dependencies: ["Tandem", "AllocationCount", "TopLevel", "GlobalTasks", "lines"],
            swiftSettings: house),
        .testTarget(
            name: "TandemTestingTests", dependencies: ["TandemTesting", "Tandem", "TandemHTTP", logging], swiftSettings: house),
        .testTarget(name: "HTTPWireTests", dependencies: ["HTTPWire", "AllocationCount"], swiftSettings: house),
        .testTarget(
            name: "TandemTLSTests", dependencies: ["TandemTesting", "TandemTLS", "Tandem", "COpenSSL"], swiftSettings: house),
        .testTarget(
            name: "TandemHTTPTests",
            dependencies: [
                "TandemTesting", "TandemHTTP", "TandemTLS", "Tandem", "COpenSSL", httpTypes, logging, lifecycle, tracing,
                inMemoryTracing,
            ],
            swiftSettings: house),
        .testTarget(
            name: "TandemJSONTests", dependencies: ["TandemJSON", "TandemHTTP", "TandemTesting", "Tandem"], swiftSettings: house),
        .testTarget(
            name: "TandemFetchTests",
            dependencies: [
                "TandemFetch", "Tandem", "FakeResolver", "COpenSSL", metrics, httpTypes,
                .product(name: "MetricsTestKit", package: "swift-metrics"),
                .product(name: "InMemoryTracing", package: "swift-distributed-tracing"),
            ],
            exclude: ["Support/tls.pem", "Support/upstream.py"], swiftSettings: house),
        .testTarget(
            name: "TandemDaemonTests",
            dependencies: [
                "TandemTesting", "TandemDaemon", "tandemd", "Tandem", "HTTPWire", "TandemHTTP", "TandemFetch", httpTypes, logging,
                metrics, tracing, configuration, histogram,
            ],
            exclude: ["Clients/aiohttp_client.py", "Clients/nginx_client.py", "Clients/requests_client.py"],
            swiftSettings: house),
        // The samples of README.md and docs/, compiled, and the checks of these pages.
        .testTarget(
            name: "DocumentationTests",
            dependencies: [
                "Tandem", "TandemTLS", "HTTPWire", "TandemHTTP", "TandemJSON", "TandemFetch", "TandemTesting", "TandemDaemon",
                httpTypes, logging,
                lifecycle,
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            exclude: ["Replay"], swiftSettings: house),
    ]
)
