// swift-tools-version: 6.3
import PackageDescription

// Apart from the main package, because it is of use only to scripts/check/differential.
let package = Package(
    name: "Differential",
    dependencies: [.package(name: "tandem", path: "../..")],
    targets: [
        .executableTarget(
            name: "Verdicts", dependencies: [.product(name: "HTTPWire", package: "tandem")],
            swiftSettings: [.treatAllWarnings(as: .error)])
    ]
)
