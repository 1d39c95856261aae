// swift-tools-version: 6.3
import PackageDescription

/// The settings of Tandem's own targets: Swift 6 mode, and warnings are errors.
let house: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]
/// The same for code that calls the deprecated half of stage 2: the compiler lists these calls, and goes on.
let stillBlocking = house + [.treatWarning("DeprecatedDeclaration", as: .warning)]

let tandem = Target.Dependency.product(name: "Tandem", package: "tandem")
let fetch = Target.Dependency.product(name: "TandemFetch", package: "tandem")
let patch = Target.Dependency.product(name: "TandemPatch", package: "tandem")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let stages: [Target.Dependency] = ["Registry0", "Registry1", "Registry2", "Registry3", "RegistryModel"]

let package = Package(
    name: "library-port",
    dependencies: [
        .package(name: "tandem", path: "../..", traits: []),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
    ],
    targets: [
        .systemLibrary(name: "CDigest", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CEasyCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .target(name: "CRegistry", dependencies: ["CEasyCurl"]),
        // What no stage changes: values and rules.
        .target(name: "RegistryModel", dependencies: ["CDigest"], swiftSettings: house),
        // The library, four times. `diff -ru Sources/Registry0 Sources/Registry1` is the first step.
        .target(name: "Registry0", dependencies: ["RegistryModel", "CRegistry"], swiftSettings: house),
        .target(name: "Registry1", dependencies: ["RegistryModel", tandem, fetch, httpTypes], swiftSettings: house),
        .target(name: "Registry2", dependencies: ["RegistryModel", tandem, fetch, httpTypes], swiftSettings: house),
        .target(name: "Registry3", dependencies: ["RegistryModel", fetch, httpTypes], swiftSettings: house),
        // Two applications, on each stage.
        .target(name: "Applications", dependencies: ["RegistryModel", tandem], swiftSettings: house),
        .executableTarget(name: "report0", dependencies: ["Applications", "Registry0", patch], swiftSettings: house),
        .executableTarget(name: "report1", dependencies: ["Applications", "Registry1"], swiftSettings: house),
        .executableTarget(name: "report2", dependencies: ["Applications", "Registry2"], swiftSettings: stillBlocking),
        .executableTarget(name: "report3", dependencies: ["Applications", "Registry3", tandem], swiftSettings: house),
        .executableTarget(name: "watch0", dependencies: ["Applications", "Registry0", tandem, patch], swiftSettings: house),
        .executableTarget(name: "watch1", dependencies: ["Applications", "Registry1", tandem], swiftSettings: house),
        .executableTarget(name: "watch2", dependencies: ["Applications", "Registry2"], swiftSettings: house),
        .executableTarget(name: "watch3", dependencies: ["Applications", "Registry3"], swiftSettings: house),
        // For the tests and `costs`: a registry on loopback, and the calls of every stage from every kind of caller.
        .target(name: "Upstream", exclude: ["upstream.py"], swiftSettings: house),
        .target(name: "Callers", dependencies: stages + [tandem], swiftSettings: stillBlocking),
        .executableTarget(
            name: "costs", dependencies: ["Callers", "RegistryModel", "Upstream", tandem, patch], swiftSettings: house),
        .testTarget(
            name: "RegistryTests",
            dependencies: [
                "Callers", "RegistryModel", "Upstream", tandem, patch,
                "report0", "report1", "report2", "report3", "watch0", "watch1", "watch2", "watch3",
            ], swiftSettings: house),
    ]
)
