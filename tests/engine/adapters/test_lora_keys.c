#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/adapters/adapter.h"
#include "engine/adapters/lora_keys.h"

static void all_layouts_lead_to_one_name(void **state) {
    static const struct {
        const char *key, *part, *module;
        df_lora_role role;
    } cases[] = {
        { "unet.down_blocks.0.attn1.to_q.lora_A.weight", "unet", "down_blocks_0_attn1_to_q", DF_LORA_DOWN },
        { "unet.down_blocks.0.attn1.to_q.lora.up.weight", "unet", "down_blocks_0_attn1_to_q", DF_LORA_UP },
        { "unet.down_blocks.0.attn1.processor.to_out_lora.down.weight", "unet", "down_blocks_0_attn1_to_out_0",
          DF_LORA_DOWN },
        { "down_blocks.0.attn1.processor.to_q_lora.up.weight", "unet", "down_blocks_0_attn1_to_q", DF_LORA_UP },
        { "lora_unet_down_blocks_0_attn1_to_q.lora_down.weight", "unet", "down_blocks_0_attn1_to_q", DF_LORA_DOWN },
        { "lora_te_text_model_encoder_layers_3_mlp_fc1.alpha", "text_encoder", "text_model_encoder_layers_3_mlp_fc1",
          DF_LORA_ALPHA },
        { "lora_te2_text_projection.lora_up.weight", "text_encoder_2", "text_projection", DF_LORA_UP },
        { "text_encoder.text_model.encoder.layers.0.self_attn.k_proj.lora_linear_layer.down.weight", "text_encoder",
          "text_model_encoder_layers_0_self_attn_k_proj", DF_LORA_DOWN },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        df_lora_key key;
        assert_true(df_lora_key_parse(&key, cases[i].key));
        assert_string_equal(key.part, cases[i].part);
        assert_string_equal(key.module, cases[i].module);
        assert_int_equal(key.role, cases[i].role);
    }
    df_lora_key key;
    assert_false(df_lora_key_parse(&key, "lora_unet_x.hada_w1_a"));
    assert_false(df_lora_key_parse(&key, ".alpha"));
    assert_false(df_lora_key_parse(&key, ""));
}

static void original_names_become_those_of_diffusers(void **state) {
    static const char *const cases[][2] = {
        { "input_blocks_4_1_transformer_blocks_0_attn1_to_q",
          "down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q" },
        { "input_blocks_1_0_in_layers_2", "down_blocks_0_resnets_0_conv1" },
        { "output_blocks_5_1_proj_in", "up_blocks_1_attentions_2_proj_in" },
        { "middle_block_1_proj_out", "mid_block_attentions_0_proj_out" },
        { "down_blocks_0_resnets_0_conv1", "down_blocks_0_resnets_0_conv1" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char module[DF_LORA_NAME_BYTES];
        strcpy(module, cases[i][0]);
        df_lora_module_from_original(module, 3);
        assert_string_equal(module, cases[i][1]);
    }
}

static void a_file_may_have_a_weight(void **state) {
    (void)state;
    char plain[] = "a/b.safetensors", weighted[] = "a:b.safetensors:-0.5", odd[] = "c:/x.safetensors", none[] = ":1";
    df_adapter_use use;
    assert_true(df_adapter_parse(plain, &use));
    assert_true(use.weight == 1);
    assert_true(df_adapter_parse(weighted, &use));
    assert_string_equal(use.path, "a:b.safetensors");
    assert_true(use.weight == -0.5);
    assert_true(df_adapter_parse(odd, &use));
    assert_string_equal(use.path, "c:/x.safetensors");
    assert_false(df_adapter_parse(none, &use));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_layouts_lead_to_one_name),
        cmocka_unit_test(original_names_become_those_of_diffusers),
        cmocka_unit_test(a_file_may_have_a_weight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
