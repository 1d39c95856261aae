// swift-tools-version: 6.3
import PackageDescription

// A package of its own, because only scripts/check/differential uses it.
let package = Package(
    name: "Differential",
    dependencies: [.package(name: "tandem", path: "../..")],
    targets: [
        .executableTarget(
            name: "Verdicts", dependencies: [.product(name: "HTTPWire", package: "tandem")],
            swiftSettings: [.treatAllWarnings(as: .error)])
    ]
)
