// swift-tools-version: 6.3
import PackageDescription

// Apart from the main package, so that nobody who depends on Tandem builds it.
let package = Package(
    name: "Benchmarks",
    dependencies: [.package(name: "tandem", path: "..")],
    targets: [
        .executableTarget(
            name: "InProcess",
            dependencies: [.product(name: "Tandem", package: "tandem"), .product(name: "CTandem", package: "tandem")],
            swiftSettings: [.enableUpcomingFeature("NonisolatedNonsendingByDefault"), .treatAllWarnings(as: .error)])
    ]
)
