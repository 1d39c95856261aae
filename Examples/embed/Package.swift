// swift-tools-version: 6.3
import PackageDescription

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]
let tandem = Target.Dependency.product(name: "Tandem", package: "tandem")

let package = Package(
    name: "embed",
    products: [
        // Loaded by Python.
        .library(name: "AsyncioGuest", type: .dynamic, targets: ["AsyncioGuest"])
    ],
    dependencies: [.package(name: "tandem", path: "../..", traits: [])],
    targets: [
        // The embedder's loop. It does not depend on Tandem.
        .systemLibrary(name: "CEpoll"),
        .target(name: "EpollLoop", dependencies: ["CEpoll"], swiftSettings: settings),
        // What runs on the guest, whichever loop is outside.
        .target(name: "GuestWork", dependencies: [tandem], swiftSettings: settings),
        .executableTarget(
            name: "epoll-guest", dependencies: ["EpollLoop", "GuestWork", tandem], path: "Sources/EpollGuest",
            swiftSettings: settings),
        .target(name: "AsyncioGuest", dependencies: ["GuestWork", tandem], swiftSettings: settings),
        .testTarget(
            name: "EmbedTests", dependencies: ["EpollLoop", "GuestWork", "epoll-guest", "AsyncioGuest", tandem],
            swiftSettings: settings),
    ]
)
