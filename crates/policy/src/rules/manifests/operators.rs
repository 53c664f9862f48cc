//! Operators: from which channel, and who says when.

use crate::facts::manifest::{Object, is_template};
use crate::level::Levels;
use crate::rule::{Example, Family, Need, Rule};

fn automatic(subscription: &Object) -> bool {
    subscription.node.text_at("spec.installPlanApproval") != Some("Manual")
}

/// Channels that move.
pub static CHANNEL: Rule = Rule {
    id: "operator-channel-floating",
    family: Family::Manifests,
    levels: Levels::WARNING,
    title: "an operator comes from a channel of one version",
    why: "A channel such as `stable` or `latest` goes to the next major version when its maintainers say so, and an operator changes what it owns when it comes up.",
    fix: "name a channel with a version, or `startingCSV` with `installPlanApproval: Manual`",
    bad: Example(
        "//- sub.yaml\napiVersion: operators.coreos.com/v1alpha1\nkind: Subscription\nmetadata: {name: a}\nspec: {name: a, channel: «stable», source: redhat-operators}\n",
    ),
    good: Example(
        "//- sub.yaml\napiVersion: operators.coreos.com/v1alpha1\nkind: Subscription\nmetadata: {name: a}\nspec: {name: a, channel: stable-2.4, source: redhat-operators, installPlanApproval: Manual}\n",
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for subscription in
            facts.objects_of("operators.coreos.com", "Subscription").filter(|object| !object.partial)
        {
            let held = !automatic(subscription) && subscription.node.at("spec.startingCSV").is_some();
            let channel = subscription.node.text_at("spec.channel").unwrap_or_default();
            if held || is_template(channel) || channel.chars().any(|character| character.is_ascii_digit()) {
                continue;
            }
            match channel {
                "" => sink
                    .find(subscription.place_of_name(), format!("{} names no channel", subscription.title())),
                channel => sink.find(
                    subscription.place_at("spec.channel"),
                    format!("{} follows the channel `{channel}`", subscription.title()),
                ),
            };
        }
    },
};

/// Upgrades that nobody approves.
pub static APPROVAL: Rule = Rule {
    id: "operator-upgrade-automatic",
    family: Family::Manifests,
    levels: Levels::INFO,
    title: "an operator is upgraded when somebody says so",
    why: "With automatic install plans a new version is in the cluster minutes after it is published, in all environments at once.",
    fix: "set `installPlanApproval: Manual`",
    bad: Example(
        "//- sub.yaml\napiVersion: operators.coreos.com/v1alpha1\nkind: Subscription\nmetadata: {name: a}\nspec: {name: a, channel: v1.2, installPlanApproval: «Automatic»}\n",
    ),
    good: CHANNEL.good,
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for subscription in
            facts.objects_of("operators.coreos.com", "Subscription").filter(|object| !object.partial)
        {
            let approval = subscription.node.text_at("spec.installPlanApproval");
            if automatic(subscription) && approval.is_none_or(|text| !is_template(text)) {
                let place = subscription.place_at("spec.installPlanApproval");
                sink.find(place, format!("{} is upgraded without asking", subscription.title()));
            }
        }
    },
};

/// Operators of nobody in particular.
pub static COMMUNITY: Rule = Rule {
    id: "operator-community",
    family: Family::Manifests,
    levels: Levels::REMARK,
    title: "an operator comes from a catalog with support",
    why: "Operators of the community catalog are not reviewed by the vendor of the cluster, and run with wide rights.",
    fix: "use a certified operator, or mirror one that you reviewed",
    bad: Example(
        "//- sub.yaml\napiVersion: operators.coreos.com/v1alpha1\nkind: Subscription\nmetadata: {name: a}\nspec: {name: a, channel: v1.2, installPlanApproval: Manual, source: «community-operators»}\n",
    ),
    good: CHANNEL.good,
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for subscription in facts.objects_of("operators.coreos.com", "Subscription") {
            if matches!(
                subscription.node.text_at("spec.source"),
                Some("community-operators" | "operatorhubio-catalog")
            ) {
                sink.find(
                    subscription.place_at("spec.source"),
                    format!("{} comes from the community's catalog", subscription.title()),
                );
            }
        }
    },
};

/// These rules.
pub const RULES: &[&Rule] = &[&CHANNEL, &APPROVAL, &COMMUNITY];
