// swift-tools-version: 6.3
import PackageDescription

/// One service, four times: see README.md. `diff -u` of two stages shows what a port changes.
let tandem: [Target.Dependency] = ["Tandem", "TandemDaemon", "TandemHTTP", "TandemJSON"].map {
    .product(name: $0, package: "tandem")
}
let fetch = Target.Dependency.product(name: "TandemFetch", package: "tandem")
let house: [SwiftSetting] = [.treatAllWarnings(as: .error)]

let package = Package(
    name: "application-port",
    dependencies: [.package(name: "tandem", path: "../..")],
    targets: [
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CEasyCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CChecksum", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        // Code that no stage changes: the database, in SQLite's C library, and the shapes of the JSON.
        .target(name: "TicketModel", dependencies: ["CSQLite", "CChecksum"], swiftSettings: house),
        // An HTTP GET by libcurl's easy interface, for the two stages that block.
        .target(name: "CEasyGet", dependencies: ["CEasyCurl"]),
        .executableTarget(name: "stage0", dependencies: ["TicketModel", "CEasyGet"], swiftSettings: house),
        .executableTarget(name: "stage1", dependencies: ["TicketModel", "CEasyGet"] + tandem, swiftSettings: house),
        .executableTarget(name: "stage2", dependencies: ["TicketModel", fetch] + tandem, swiftSettings: house),
        .executableTarget(name: "stage3", dependencies: ["TicketModel", fetch] + tandem, swiftSettings: house),
        .testTarget(
            name: "TicketsTests",
            // The stages run as processes of their own.
            dependencies: [
                "TicketModel", .product(name: "Tandem", package: "tandem"), .product(name: "TandemHTTP", package: "tandem"),
                .product(name: "TandemTesting", package: "tandem"),
            ],
            swiftSettings: house),
    ]
)
