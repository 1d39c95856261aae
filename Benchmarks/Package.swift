// swift-tools-version: 6.3
import PackageDescription

let settings: [SwiftSetting] = [.enableUpcomingFeature("NonisolatedNonsendingByDefault"), .treatAllWarnings(as: .error)]
let tandem = Target.Dependency.product(name: "Tandem", package: "tandem")
let ctandem = Target.Dependency.product(name: "CTandem", package: "tandem")

// A package of its own, so that packages that depend on Tandem do not build it.
let package = Package(
    name: "Benchmarks",
    dependencies: [.package(name: "tandem", path: "..")],
    targets: [
        .target(name: "Measuring", dependencies: [ctandem], swiftSettings: settings),
        .executableTarget(name: "InProcess", dependencies: ["Measuring", tandem, ctandem], swiftSettings: settings),
        .executableTarget(name: "Costs", dependencies: [tandem], swiftSettings: settings),
        .executableTarget(name: "Fairness", dependencies: ["Measuring", tandem], swiftSettings: settings),
        .executableTarget(
            name: "Fetches", dependencies: ["Measuring", tandem, .product(name: "TandemFetch", package: "tandem")],
            swiftSettings: settings),
        .executableTarget(name: "Scale", dependencies: ["Measuring", tandem], swiftSettings: settings),
    ]
)
