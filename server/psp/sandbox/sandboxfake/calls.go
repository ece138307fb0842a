package sandboxfake

import (
	"context"
	"net/http"
	"slices"
	"time"
)

func (p *PSP) create(c *call) (int, any, error) {
	var ask createRequest
	if err := decode(c.body, &ask); err != nil {
		return 0, nil, err
	}
	if why := ask.fault(); why != "" {
		return 0, nil, &apiError{http.StatusBadRequest, "invalid_request", why}
	}
	s, isNew, err := p.open(ask, c.trouble.Mood == moodConfirmFirst)
	if err != nil {
		return 0, nil, err
	}
	if isNew && c.trouble.Mood == moodConfirmFirst {
		p.confirmFirst(context.WithoutCancel(c.context), s)
	}
	status := http.StatusOK
	if isNew {
		status = http.StatusCreated
	}
	return status, s.view(p.now(), p.options.PublicURL), nil
}

func (p *PSP) lookup(c *call) (int, any, error) {
	s, err := p.session(c.reference)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, s.view(p.now(), p.options.PublicURL), nil
}

func (p *PSP) refund(c *call) (int, any, error) {
	var ask refundRequest
	if err := decode(c.body, &ask); err != nil {
		return 0, nil, err
	}
	if !printable(ask.RefundID) || len(ask.RefundID) > referenceLengthMax {
		return 0, nil, &apiError{http.StatusBadRequest, "invalid_request", "refund_id must be 1 to 64 printable ASCII characters"}
	}
	now := p.now()
	at := now
	if c.trouble.Mood == moodLater {
		at = now.Add(c.trouble.delay(laterDefault))
	}
	var done *refundView
	s, err := p.change(c.reference, func(s *session) (err error) {
		done, err = s.refund(ask, now, at)
		return err
	})
	if err != nil {
		return 0, nil, err
	}
	answer := s.view(now, p.options.PublicURL)
	answer.Refund = done
	return http.StatusOK, answer, nil
}

func (p *PSP) capture(c *call) (int, any, error) { return p.hold(c, (*session).capture) }

func (p *PSP) void(c *call) (int, any, error) { return p.hold(c, (*session).void) }

func (p *PSP) act(c *call) (int, any, error) {
	var ask actRequest
	if err := decode(c.body, &ask); err != nil {
		return 0, nil, err
	}
	s, _, err := p.play(c.reference, ask, slices.Concat(moods, cabinetMoods))
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, s.view(p.now(), p.options.PublicURL), nil
}

func (p *PSP) mood(c *call) (int, any, error) {
	var ask trouble
	if err := decode(c.body, &ask); err != nil {
		return 0, nil, err
	}
	if err := p.setTrouble(ask); err != nil {
		return 0, nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return http.StatusOK, map[string][]trouble{"moods": slices.Clone(p.troubles)}, nil
}

// play plays one mood of a list on a session.
func (p *PSP) play(reference string, ask actRequest, from []mood) (*session, *mood, error) {
	at := slices.IndexFunc(from, func(m mood) bool { return m.name == ask.Mood })
	if at < 0 {
		return nil, nil, &apiError{http.StatusBadRequest, "invalid_request", "the mood is not known"}
	}
	m := &from[at]
	s, err := p.change(reference, func(s *session) error {
		sc := &scene{session: s, act: ask, now: p.now(), merchant: p.options.Merchant}
		return sc.perform(m)
	})
	return s, m, err
}

// hold runs a capture or a void.
func (p *PSP) hold(c *call, do func(*session, holdRequest, time.Time) error) (int, any, error) {
	var ask holdRequest
	if err := decode(c.body, &ask); err != nil {
		return 0, nil, err
	}
	now := p.now()
	s, err := p.change(c.reference, func(s *session) error { return do(s, ask, now) })
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, s.view(now, p.options.PublicURL), nil
}
