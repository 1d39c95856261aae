import Glibc

// Programs that take over Swift's global executor, which a test runs as processes: the process of the tests has tasks of its own.
//
// Usage: GlobalTasks NAME. Prints "passed", or what was wrong.

let wanted = CommandLine.arguments.dropFirst().first
guard let program = programs.first(where: { $0.name == wanted }) else {
    for program in programs { print(program.name) }
    exit(wanted == "list" ? 0 : 2)
}
do {
    try program.run()
    print("passed")
} catch {
    print("\(program.name): \(error)")
    exit(1)
}
