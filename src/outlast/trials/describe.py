"""A trial in words, for the log that replays it."""

from __future__ import annotations

from collections.abc import Iterator

from outlast.mock.scenario.model import Effect, FaultRule, Reply
from outlast.trials.model import Action, ClientPlan, Disruption, DrawnFault, Trial
from outlast.trials.workload import GIVING_UP

__all__ = ["describe"]


def describe(trial: Trial) -> list[str]:
    """What was drawn: world, users, faults by phase, disruptions. One line each, for people."""
    scenario = trial.scenario
    lines = [
        f"seed {trial.seed}: {scenario.scenario} on {', '.join(scenario.venues)}",
        f"{trial.safety_s:g} s of trouble, {trial.liveness_s:g} s in which all must converge",
        f"markets: {', '.join(scenario.world.instruments)}",
    ]
    account = scenario.world.account
    held = [f"{symbol} {position.qty}" for symbol, position in account.positions.items()]
    lines.append(f"positions from before: {', '.join(held) or 'none'}")
    if scenario.limits.factor is not None:
        lines.append(f"limits: {scenario.limits.factor:g} of the usual, and told so")
    for client in trial.clients:
        lines.append(
            f"{client.name} on {client.venue}: {len(client.actions)} actions; "
            f"{_listens(client)}, orders {client.order_entry}"
        )
        lines += [f"  {_action(action)}" for action in client.actions]
    lines += _phases(trial)
    lines += [f"at {d.at_s:g} s {d.client}: {_disruption(d)}" for d in trial.disruptions]
    off = ", ".join(sorted(trial.switched_off))
    lines.append(f"switched off: {off or 'nothing'}")
    if not trial.is_header_honest:
        lines.append("the venue allows less than it says")
    lines += [f"not held to {slug}: {why}" for slug, why in trial.not_held_to.items()]
    return lines


def _listens(client: ClientPlan) -> str:
    return "listens to its account" if client.streams else "asks for its account"


def _action(action: Action) -> str:
    words = [f"at {action.at_s:g} s {action.kind.value} {action.symbol or 'every symbol'}"]
    if action.kind.value in ("quote", "take", "resize"):
        words.append(f"{action.side} worth {action.worth}")
    if action.kind.value in ("quote", "resize"):
        words.append(f"{action.price_off * 100:.2f} % off the market")
    if action.hold_s is not None:
        words.append(f"for {action.hold_s:g} s")
    if action.deadline_s is not None:
        words.append(f"deadline {action.deadline_s:g} s")
    if action.gives_up_after_s is not None:
        words.append(f"given up after {action.gives_up_after_s:g} s")
    return ", ".join(words)


def _phases(trial: Trial) -> Iterator[str]:
    slugs = {fault.rule_id: fault.fault for fault in trial.faults if fault.rule_id}
    settings = [fault for fault in trial.faults if not fault.rule_id]
    at_s = 0.0
    for phase in trial.scenario.phases:
        length_s = phase.duration_s
        until_s = trial.safety_s + trial.liveness_s if length_s is None else at_s + length_s
        yield f"{phase.name}, {at_s:g} to {until_s:g} s:{_shape(phase.flap, phase.ramp)}"
        for rule in phase.faults:
            yield f"  {slugs.get(rule.id, rule.id)}: {_rule(rule)}"
        for fault in settings:
            if at_s <= fault.at_s < until_s and _is_setting(fault, trial):
                yield f"  {fault.fault}: {fault.at_s:g} to {fault.until_s:g} s"
        at_s = until_s


def _is_setting(fault: DrawnFault, trial: Trial) -> bool:
    """Whether it is the venue's: disruptions and actions have lines of their own."""
    elsewhere = [d.kind.value for d in trial.disruptions]
    return fault.fault not in elsewhere and fault.fault != GIVING_UP


def _shape(flap: object, ramp: object) -> str:
    if flap is not None:
        return " in waves,"
    return " easing off step by step," if ramp is not None else ""


def _rule(rule: FaultRule) -> str:
    words = [", ".join(rule.match)]
    if rule.where.nth is not None:
        words.append(f"the {rule.where.nth}. of an account")
    elif rule.p < 1:
        words.append(f"{rule.p * 100:.0f} %")
    if rule.where.reduces:
        words.append("exits only")
    if rule.where.share_of_keys is not None:
        words.append(f"for {rule.where.share_of_keys * 100:.0f} % of the accounts")
    if rule.latency is not None:
        words.append(f"{rule.latency.p50_s:g} to {rule.latency.p99_s:g} s late")
    if rule.reply is not None:
        words.append(f"told {_reply(rule.reply)}")
    if rule.effect is not None:
        words.append(f"engine: {_effect(rule.effect)}")
    if rule.stream is not None:
        words.append(f"stream: {rule.stream.kind}")
    return "; ".join(words)


def _reply(reply: Reply) -> str:
    details = [
        reply.at,
        reply.page,
        f"{reply.seconds:g} s" if reply.seconds else "",
        str(reply.status) if reply.kind in ("http", "empty") else "",
        reply.body,
    ]
    return " ".join([reply.kind, *filter(None, details)])


def _effect(effect: Effect) -> str:
    return f"{effect.kind} {effect.value:g}" if effect.value else effect.kind


def _disruption(disruption: Disruption) -> str:
    words = [disruption.kind.value]
    if disruption.awaits:
        words.append(f"at await {disruption.awaits}")
    if disruption.for_s:
        words.append(f"for {disruption.for_s:g} s")
    if disruption.by_s:
        words.append(f"by {disruption.by_s:g} s")
    return " ".join(words)
