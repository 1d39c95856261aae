// swift-tools-version: 6.3
import PackageDescription

let package = Package(
    name: "greeter",
    products: [.executable(name: "greeter", targets: ["greeter"])],
    dependencies: [.package(name: "tandem", path: Context.environment["TANDEM_CHECKOUT"] ?? "../..")],
    targets: [
        .executableTarget(
            name: "greeter",
            dependencies: [
                .product(name: "Tandem", package: "tandem"),
                .product(name: "TandemDaemon", package: "tandem"),
                .product(name: "TandemHTTP", package: "tandem"),
                .product(name: "TandemJSON", package: "tandem"),
            ]),
        .testTarget(
            name: "GreeterTests",
            dependencies: ["greeter", .product(name: "TandemTesting", package: "tandem")]),
    ]
)
