// swift-tools-version: 6.3
import PackageDescription

// libFuzzer contains the main function and calls LLVMFuzzerTestOneInput.
let settings: [SwiftSetting] = [
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"), .treatAllWarnings(as: .error), .unsafeFlags(["-parse-as-library"]),
]
let wire = Target.Dependency.product(name: "HTTPWire", package: "tandem")
let http = Target.Dependency.product(name: "TandemHTTP", package: "tandem")
let tandem = Target.Dependency.product(name: "Tandem", package: "tandem")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let types = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")

// A package of its own, because it links only with the fuzzer. scripts/check/fuzz builds it with the flags that make the
// libraries report their coverage.
let package = Package(
    name: "Fuzzing",
    dependencies: [
        .package(name: "tandem", path: "../.."),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    ],
    targets: [
        .target(name: "FuzzSupport", dependencies: [wire, types], swiftSettings: settings),
        .executableTarget(name: "FuzzWire", dependencies: ["FuzzSupport", wire, types], swiftSettings: settings),
        .executableTarget(name: "FuzzHeads", dependencies: ["FuzzSupport", wire, types], swiftSettings: settings),
        .executableTarget(name: "FuzzResponses", dependencies: ["FuzzSupport", wire, types], swiftSettings: settings),
        .executableTarget(
            name: "FuzzConnection", dependencies: ["FuzzSupport", wire, http, tandem, types, logging], swiftSettings: settings),
    ]
)
