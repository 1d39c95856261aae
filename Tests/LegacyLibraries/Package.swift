// swift-tools-version: 6.3
import PackageDescription

/// The C libraries, by the names of their pkg-config files.
let libraries = ["libcurl", "openssl", "libpq", "hiredis", "sqlite3", "libmariadb"]

// Blocking clients of C libraries on green threads. scripts/test-legacy installs the libraries, starts the servers and runs them. A
// package of its own, because Tandem itself needs none of these libraries except libcurl and OpenSSL.
let package = Package(
    name: "legacy-libraries",
    dependencies: [.package(name: "tandem", path: "../..", traits: [])],
    targets: libraries.map { .systemLibrary(name: $0, path: "Sources/System/\($0)", pkgConfig: $0) } + [
        .target(name: "Clients", dependencies: libraries.map { .target(name: $0) }, cSettings: [.define("_GNU_SOURCE")]),
        .executableTarget(
            name: "LegacyLibraries",
            dependencies: [
                "Clients", .product(name: "Tandem", package: "tandem"), .product(name: "TandemPatch", package: "tandem"),
                .product(name: "TandemHTTP", package: "tandem"), .product(name: "TandemTesting", package: "tandem"),
            ],
            swiftSettings: [.treatAllWarnings(as: .error)]),
    ]
)
