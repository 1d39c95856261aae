// swift-tools-version: 6.3
import PackageDescription

let package = Package(
    name: "shop",
    products: [.executable(name: "shop", targets: ["shop"])],
    dependencies: [.package(name: "tandem", path: "../..")],
    targets: [
        // The old half: C and Foundation. It does not depend on Tandem.
        .systemLibrary(name: "CPostgreSQL", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "CEasyCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        // hiredis is not a target here: SwiftPM warns of a flag in its pkg-config file.
        .target(name: "CShop", dependencies: ["CPostgreSQL", "CEasyCurl"], linkerSettings: [.linkedLibrary("hiredis")]),
        .target(name: "OldShop", dependencies: ["CShop", "CSQLite"], swiftSettings: [.swiftLanguageMode(.v5)]),
        // The new half.
        .executableTarget(
            name: "shop",
            dependencies: [
                "OldShop",
                .product(name: "Tandem", package: "tandem"),
                .product(name: "TandemDaemon", package: "tandem"),
                .product(name: "TandemFetch", package: "tandem"),
                .product(name: "TandemHTTP", package: "tandem"),
                .product(name: "TandemJSON", package: "tandem"),
            ]),
        .testTarget(
            name: "ShopTests",
            dependencies: [
                "shop", "CSQLite",
                .product(name: "Tandem", package: "tandem"),
                .product(name: "TandemPatch", package: "tandem"),
                .product(name: "TandemTesting", package: "tandem"),
            ]),
    ]
)
