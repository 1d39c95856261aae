import Foundation

/// Lays out the receipt of an order with pr(1), as for the printer in the shop.
package func receipt(of order: Order) throws -> String {
    let printer = Process()
    printer.executableURL = URL(fileURLWithPath: "/usr/bin/pr")
    printer.arguments = ["--header=Order \(order.id)", "--length=16", "--width=60"]
    let input = Pipe()
    let output = Pipe()
    printer.standardInput = input
    printer.standardOutput = output
    try printer.run()
    let total = String(format: "%d.%02d", order.cents / 100, order.cents % 100)
    input.fileHandleForWriting.write(
        Data("\(order.quantity) x product \(order.product), for \(order.customer)\n\(total) EUR\n".utf8))
    input.fileHandleForWriting.closeFile()
    let text = output.fileHandleForReading.readDataToEndOfFile()
    printer.waitUntilExit()
    guard printer.terminationStatus == 0 else { throw ShopError.unavailable }
    return String(decoding: text, as: UTF8.self)
}
