// swift-tools-version: 6.3
import PackageDescription

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

let package = Package(
    name: "hummingbird-server",
    dependencies: [
        .package(name: "tandem", path: "../..", traits: []),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    ],
    targets: [
        // The old code: C. It calls libc and does not depend on Tandem.
        .target(name: "COldRates"),
        .executableTarget(
            name: "server",
            dependencies: [
                "COldRates",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "Tandem", package: "tandem"),
                .product(name: "TandemPatch", package: "tandem"),
            ], swiftSettings: settings),
        // The upstream of the server: a library for the tests, and a program for the measurement.
        .target(name: "Partner", dependencies: [.product(name: "Tandem", package: "tandem")], swiftSettings: settings),
        .executableTarget(
            name: "partner-server", dependencies: ["Partner"], path: "Sources/PartnerServer", swiftSettings: settings),
        .testTarget(
            name: "ServerTests", dependencies: ["server", "Partner", .product(name: "Tandem", package: "tandem")],
            swiftSettings: settings),
    ]
)
