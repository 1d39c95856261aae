// Go's counterparts of a park and of a spawn, on one thread: each turn of two goroutines that take turns by unbuffered channels, and a
// goroutine that is started and waited for. Prints rows for the table of one process: wall-clock nanoseconds, which are CPU time here.
package main

import (
	"fmt"
	"runtime"
	"sort"
	"time"
)

func measure(name string, count int, body func(count int)) {
	body(count / 10)
	var rounds []float64
	for round := 0; round < 10; round++ {
		start := time.Now()
		body(count)
		rounds = append(rounds, float64(time.Since(start).Nanoseconds())/float64(count))
	}
	sort.Float64s(rounds)
	fmt.Printf("| %s | %.0f | %.0f | %.0f |  |  |\n", name, (rounds[4]+rounds[5])/2, rounds[0], rounds[9])
}

func main() {
	runtime.GOMAXPROCS(1)
	measure("Go: two goroutines take turns by channels (each switch)", 1000000, func(count int) {
		ping, pong := make(chan int), make(chan int)
		go func() {
			for value := range ping {
				pong <- value
			}
		}()
		for index := 0; index < count/2; index++ {
			ping <- index
			<-pong
		}
		close(ping)
	})
	measure("Go: start a goroutine and wait for it", 500000, func(count int) {
		for index := 0; index < count; index++ {
			done := make(chan int)
			go func() { done <- index }()
			<-done
		}
	})
}
