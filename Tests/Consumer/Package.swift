// swift-tools-version: 6.3
import PackageDescription

// A package that uses the libraries alone: without the trait "Daemon" it does not resolve what only the daemon needs.
// scripts/check/consumer compares the list.
let package = Package(
    name: "consumer",
    dependencies: [.package(name: "tandem", path: "../..", traits: [])],
    targets: [
        .executableTarget(
            name: "consumer",
            dependencies: [
                .product(name: "Tandem", package: "tandem"), .product(name: "TandemHTTP", package: "tandem"),
                .product(name: "TandemFetch", package: "tandem"), .product(name: "TandemJSON", package: "tandem"),
            ])
    ]
)
