package integration

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/segue-run/segue/examples/athlete-ally/event"
)

const day = "2025-10-01"

// at is a time on that day.
func at(hour int) *time.Time {
	t := time.Date(2025, 10, 1, hour, 0, 0, 0, time.UTC)
	return &t
}

func reading(user string, rmssd float64, captured *time.Time) []byte {
	return encode(event.HRV{UserID: user, Date: day, RMSSD: rmssd, CapturedAt: captured})
}

// aReading is one of the message's own user.
func aReading(id string) []byte { return reading(id, 42, at(6)) }

func aNight(id string) []byte {
	return encode(event.Sleep{UserID: id, Date: day, Minutes: 450})
}

func webhook(eventID, user string) []byte {
	return encode(event.Oura{EventID: eventID, UserID: user, EventType: "daily_sleep", Data: json.RawMessage(`{"test":"integration"}`)})
}

func aWebhook(id string) []byte { return webhook(id, id) }

func encode(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("a struct of our own: %v", err))
	}
	return raw
}
